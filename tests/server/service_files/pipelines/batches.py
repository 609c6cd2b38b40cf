"""Auto batching: `sizes` says how many rows each `process` saw, `words` has sequences. Argument: the uci model."""

import sys
import time

import numpy as np

from paddle_serving_server.pipeline import LocalServiceHandler
from paddle_serving_server.web_service import Op, WebService


class Doubled(Op):
    def process(self, feed_batch, typical_logid):
        time.sleep(0.02)
        x = feed_batch[0]["x"]
        return {"y": 2 * x, "rows": np.full((len(x), 1), len(x))}, 0, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return {"y": str(fetch_data["y"].tolist()), "rows": str(fetch_data["rows"].ravel().tolist())}, None, ""


class Sums(Op):
    def process(self, feed_batch, typical_logid):
        time.sleep(0.02)
        words, offsets = feed_batch[0]["words"], feed_batch[0]["words.lod"]
        sums = [words[a:b].sum() for a, b in zip(offsets[:-1], offsets[1:], strict=True)]
        return {"sum": np.array(sums)[:, None], "same": words, "same.lod": offsets}, 0, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return {name: str(value.tolist()) for name, value in fetch_data.items()}, None, ""


class PriceOp(Op):
    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return {"price": str(fetch_data["price"].ravel().tolist())}, None, ""


class Service(WebService):
    def get_pipeline_response(self, read_op):
        return OPS[self.name](read_op)


OPS = {
    "sizes": lambda read_op: Doubled(name="op", input_ops=[read_op]),
    "words": lambda read_op: Sums(name="op", input_ops=[read_op]),
    "price": lambda read_op: PriceOp(
        name="op", input_ops=[read_op], local_service_handler=LocalServiceHandler(sys.argv[1], fetch_names=["price"])
    ),
}
for name in OPS:
    service = Service(name=name)
    settings = {"concurrency": 2, "batch_size": 8, "auto_batching_timeout": 10}
    service.prepare_pipeline_config(yml_dict={"http_port": 18000, "op": {"op": settings}})
    service.run_service()
