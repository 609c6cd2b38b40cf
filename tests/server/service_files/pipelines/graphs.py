"""Pipelines of every shape: a diamond with an edge that skips a level, a jump, a race, and old ops.

Each op writes down its name behind those that led to it.
"""

import time

from paddle_serving_server.pipeline.error_catch import CustomException, CustomExceptionCode
from paddle_serving_server.web_service import Op, WebService

PORT = {"http_port": 18000}


class Trace(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        said = next(iter(input_dicts.values()))
        if self.name == said.get("slow"):
            time.sleep(0.3)
        traces = [d.get("trace", source) for source, d in input_dicts.items()]
        self.trace = f"{self.name}({' '.join(traces)})"
        return {"kept": said.get("id", ""), "slow": said.get("slow", ""), "jump": said.get("jump", "")}, True, None, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return (
            {"trace": self.trace, "id": fetch_data["kept"], "slow": fetch_data["slow"], "jump": fetch_data["jump"]},
            None,
            "",
        )


class Jumping(Trace):
    def check_jumping(self, input_data):
        return input_data["jump"] == "1"


class Diamond(WebService):
    def get_pipeline_response(self, read_op):
        a = Trace("a", input_ops=[read_op])
        b = Trace("b", input_ops=[a], concurrency=2)
        c = Trace("c", input_ops=[a])
        return Trace("d", input_ops=[a, b, c])


class Jump(WebService):
    def get_pipeline_response(self, read_op):
        a = Jumping("a", input_ops=[read_op])
        b = Trace("b", input_ops=[a])
        c = Trace("c", input_ops=[b])
        a.set_jump_to_ops([c])
        return c


class Race(WebService):
    def get_pipeline_response(self, read_op):
        a, b = Trace("a", input_ops=[read_op]), Trace("b", input_ops=[read_op])
        return Trace("c", input_ops=[a, b])


class OfYear03(Op):
    def preprocess(self, input_dicts):
        ((_, said),) = input_dicts.items()
        return {"x": said["x"]}

    def process(self, feed_batch):
        return {"y": feed_batch[0]["x"] + "!"}

    def postprocess(self, input_dicts, fetch_dict):
        return {"y": fetch_dict["y"] + "3"}


class OfYear06(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        return {"x": said["y"]}, False, None, ""

    def process(self, feed_batch, typical_logid):
        return {"z": feed_batch[0]["x"]}

    def postprocess(self, input_dicts, fetch_dict, log_id):
        return {"z": f"{fetch_dict['z']} {log_id}"}, None, ""


class Old(WebService):
    def get_pipeline_response(self, read_op):
        return OfYear06(name="newer", input_ops=[OfYear03(name="older", input_ops=[read_op])])


class Raising(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        if said["how"] == "exit":
            raise SystemExit(3)
        code = CustomExceptionCode.PRODUCT_ERROR
        raise CustomException(code, "the secret", said["how"] == "sent")


class Raise(WebService):
    def get_pipeline_response(self, read_op):
        return Raising(input_ops=[read_op])


class SlowOp(Op):
    calls = 0

    def process(self, feed_batch, typical_logid):
        SlowOp.calls += 1
        time.sleep(float(feed_batch[0]["s"]) if SlowOp.calls % 2 else 0.0)
        return {"calls": str(SlowOp.calls)}, 0, ""


class Slow(WebService):
    def get_pipeline_response(self, read_op):
        return SlowOp("slow", input_ops=[read_op])


class Sleeping(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        time.sleep(0.02)
        return super().preprocess(input_dicts, data_id, log_id)


class Plain(WebService):
    def get_pipeline_response(self, read_op):
        return Sleeping(input_ops=[read_op])


def start(service, dag=None, op=None):
    service.prepare_pipeline_config(yml_dict={**PORT, "dag": dag, "op": op})
    service.run_service()


start(Diamond(name="diamond"))
start(Jump(name="jump"))
start(Race(name="race"), dag={"channel_recv_frist_arrive": True})
start(Old(name="old"))
start(Raise(name="raise"))
start(Slow(name="slow"), op={"slow": {"timeout": 200}})
start(Plain(name="narrow"), dag={"channel_size": 1})
start(Slow(name="retried"), op={"slow": {"timeout": 200, "retry": 2}})
