"""A service as a user writes it: steps before and after the model, a second model, and every way to go wrong."""

import sys
import time

import numpy as np

from paddle_serving_client.errors import BadInput
from paddle_serving_server.web_service import WebService


class Scaled(WebService):
    kind = "json"

    def init_service(self):
        self.factor = 2.0

    def preprocess(self, feed=[], fetch=[]):
        first = feed[0]
        mode = first.get("mode")
        if mode == "bad_input":
            raise BadInput("your x is upside down")
        if mode == "value_error":
            raise ValueError("secret of the house")
        if mode == "key_error":
            first["there is no such key"]
        if mode == "nothing":
            return None
        if mode == "two_values":
            return {"x": np.array(first["x"], np.float32)}, fetch
        if mode == "old_list":
            return [{"x": np.array(item["x"], np.float32)} for item in feed], fetch
        if mode == "slow":
            time.sleep(0.3)
        if mode == "exit":
            sys.exit(1)
        if mode == "bytes":
            return {"x": np.full(13, len(first["image"]), np.float32)}, fetch, False
        return {"x": np.array([item["x"] for item in feed], np.float64) * self.factor}, fetch, True

    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        mode = feed[0].get("mode")
        if mode == "not_json":
            return {"answer": object()}
        if mode == "second":
            with self.stage("second"):
                again = self.predict("other", {"x": np.zeros(13, np.float32)}, ["price"])
            return {"price": fetch_map["price"], "other": again["price"], "count": np.int64(1)}
        return {name: array.tolist() for name, array in fetch_map.items()}


service = Scaled(name="scaled")
service.load_model_config({"main": sys.argv[1], "other": sys.argv[1]})
service.prepare_server(workdir="workdir", port=9393, device="cpu", thread_num=8)
if "debugger" in sys.argv:
    service.run_debugger_service()
else:
    service.run_rpc_service()
service.run_web_service()
