"""The pipeline of Paddle Serving's examples, as its users have it: config.yml and the model beside it."""

import logging

import numpy as np

from paddle_serving_server.web_service import Op, WebService

_LOGGER = logging.getLogger()
np.set_printoptions(threshold=10000)


class UciOp(Op):
    def init_op(self):
        self.separator = ","

    def preprocess(self, input_dicts, data_id, log_id):
        ((_, input_dict),) = input_dicts.items()
        x_value = input_dict["x"].split(self.separator)
        x_lst = [np.array(v.strip(), dtype="float32").reshape(1) for v in x_value]
        return {"x": np.concatenate(x_lst)[None]}, False, None, ""

    def postprocess(self, input_dicts, fetch_dict, data_id, log_id):
        fetch_dict["price"] = str(fetch_dict["price"])
        return fetch_dict, None, ""


class UciService(WebService):
    def get_pipeline_response(self, read_op):
        return UciOp(name="uci", input_ops=[read_op])


uci_service = UciService(name="uci")
uci_service.prepare_pipeline_config("config.yml")
uci_service.run_service()
