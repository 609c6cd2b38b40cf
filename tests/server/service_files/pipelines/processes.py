"""Ops as processes: they crash, hang and give what cannot travel. Argument: the uci model."""

import os
import signal
import sys
import time

import numpy as np

from paddle_serving_server.web_service import Op, WebService


class Odd(Op):
    def init_op(self):
        self.offset = 1

    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        mode = said.pop("mode", "")
        if mode == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        if mode == "hang":
            time.sleep(600)
        if mode == "object":
            return {"x": object()}, True, None, ""
        return {"x": said["x"]}, False, None, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        if not isinstance(fetch_data.get("price"), np.ndarray):
            return {"x": fetch_data["x"]}, None, ""
        return {"price": str(float(fetch_data["price"][0, 0])), "pid": str(os.getpid() * self.offset)}, None, ""


class Processes(WebService):
    def get_pipeline_response(self, read_op):
        return Odd(name="odd", input_ops=[read_op])


service = Processes(name="processes")
conf = {"model_config": sys.argv[1], "fetch_list": ["price"]}
service.prepare_pipeline_config(
    yml_dict={
        "rpc_port": 18001,
        "dag": {"is_thread_op": False},
        "op": {"odd": {"concurrency": 2, "local_service_conf": conf}},
    }
)
service.run_service()
