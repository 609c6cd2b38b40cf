"""Services whose code raises what its caller asks for, where he asks for it: python raising.py MODEL_FOLDER."""

import asyncio
import sys
import time
from collections import UserDict

import numpy as np

from paddle_serving_client.errors import BadInput
from paddle_serving_server.web_service import Op, WebService


class Base(BaseException):
    pass


class Mute(Exception):
    def __str__(self):
        raise RuntimeError("no text")


KINDS = {
    "value": lambda: ValueError("no file \udcff.jpg"),
    "bad_input": lambda: BadInput("no file \udcff.jpg"),
    "cancelled": asyncio.CancelledError,
    "generator_exit": GeneratorExit,
    "exit": lambda: SystemExit(3),
    "interrupt": KeyboardInterrupt,
    "base": Base,
    "mute": Mute,
    "stop": StopIteration,
    "stop_async": StopAsyncIteration,
    "memory": MemoryError,
    "time": TimeoutError,
    "hang": None,
}


class Rows(UserDict):
    """Nothing that can be written."""

    def items(self):
        raise KINDS[self["kind"]]()


def rise(where, said):
    if said.get("where") != where:
        return
    if said["kind"] == "hang":
        time.sleep(10**6)
    raise KINDS[said["kind"]]()


class Direct(WebService):
    """Has an `infer` of its own: what it raises is raised on the event loop. A row begins with the number of a kind."""

    async def infer(self, request):
        number = int(request.tensors["x"][0, 0])
        if number >= 0:
            kind = list(KINDS)[number]
            if kind == "hang":
                await asyncio.Event().wait()
            raise KINDS[kind]()
        return await super().infer(request)


class Steps(WebService):
    def preprocess(self, feed=[], fetch=[]):
        rise("preprocess", feed[0])
        return {"x": np.zeros((1, 13))}, fetch, True

    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        rise("postprocess", feed[0])
        if feed[0].get("where") == "predict":
            self.predict("", {"x": np.zeros((1, 14), np.float32)}, batch=True)
        return Rows(feed[0]) if feed[0].get("where") == "result" else fetch_map


class RaisingOp(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        rise("preprocess", said)
        return said, False, None, ""

    def process(self, feed_batch, typical_logid):
        rise("process", feed_batch[0])
        return feed_batch[0], 0, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        rise("postprocess", fetch_data)
        text = "\udcff" if fetch_data.get("where") == "result" else "fine"
        return {"said": text}, None, ""


class Ops(WebService):
    def get_pipeline_response(self, read_op):
        return RaisingOp(name="raising", input_ops=[read_op], concurrency=2)


for name, made in (("direct", Direct), ("steps", Steps)):
    service = made(name=name)
    service.load_model_config(sys.argv[1])
    service.run_web_service()
service = Ops(name="ops")
service.prepare_pipeline_config(yml_dict={"http_port": 18000})
service.run_service()
