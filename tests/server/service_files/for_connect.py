"""Services that say what came: as JSON, as a picture, in parts, and a pipeline."""

import time

from paddle_serving_client.errors import BadInput
from paddle_serving_server.pipeline import Op
from paddle_serving_server.web_service import WebService


class Echo(WebService):
    def preprocess(self, feed=[], fetch=[]):
        return {}, fetch, True

    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        shown = [
            {name: [value.hex()] if isinstance(value, bytes) else value for name, value in one.items()} for one in feed
        ]
        return {"feed": shown, "fetch": fetch}


class Picture(Echo):
    kind = "image"
    file_input = "picture"


class Parts(Echo):
    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        yield from range(feed[0]["count"])
        time.sleep(feed[0].get("sleep_s", 0))
        if feed[0].get("fails"):
            raise BadInput("no more of them")


class Twice(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        (values,) = input_dicts.values()
        if values["text"] == "odd":
            return {}, False, 4242, "odd texts are not taken"
        return {"text": values["text"] * 2, "numbers": str(values["numbers"].tolist())}, False, None, ""

    def process(self, feed_batch, typical_logid):
        return feed_batch[0], None, ""

    def postprocess(self, input_dicts, fetch_dict, data_id, log_id):
        return dict(fetch_dict), None, ""


class Doubled(WebService):
    def get_pipeline_response(self, read_op):
        return Twice(name="twice", input_ops=[read_op])


for service in (Echo, Picture, Parts):
    service(name=service.__name__.lower()).run_web_service()
pipeline = Doubled(name="doubled")
pipeline.prepare_pipeline_config(yml_dict={"rpc_port": 0, "http_port": 9999, "dag": {"is_thread_op": True}})
pipeline.run_service()
