"""Pipelines, as those of Paddle Serving are called: texts that an op reads, arrays as they are, a picture in base64.

The argument is a folder of the uci model.
"""

import sys
from typing import Any

import numpy as np

from paddle_serving_app.reader import Base64ToImage
from paddle_serving_server.pipeline import LocalServiceHandler
from paddle_serving_server.web_service import Op, WebService


class Split(Op):
    def preprocess(self, input_dicts: dict[str, Any], data_id: int, log_id: int) -> Any:
        (given,) = input_dicts.values()
        numbers = [float(number) for number in given["x"].split(",")]
        return {"x": np.array([numbers], "float32")}, False, None, ""

    def postprocess(self, input_dicts: Any, fetch_data: Any, data_id: int, log_id: int) -> Any:
        return {"price": str(fetch_data["price"])}, None, ""


class AsItIs(Op):
    def postprocess(self, input_dicts: Any, fetch_data: Any, data_id: int, log_id: int) -> Any:
        return {"price": str(fetch_data["price"].tolist())}, None, ""


class Size(Op):
    def preprocess(self, input_dicts: dict[str, Any], data_id: int, log_id: int) -> Any:
        (given,) = input_dicts.values()
        image = Base64ToImage()(given["photo"])
        return {"size": np.array(image.shape[:2])}, True, None, ""

    def postprocess(self, input_dicts: Any, fetch_data: Any, data_id: int, log_id: int) -> Any:
        return {"size": str(fetch_data["size"].tolist())}, None, ""


class Pipe(WebService):
    def get_pipeline_response(self, read_op: Any) -> Op:
        model = LocalServiceHandler(sys.argv[1], fetch_names=["price"])
        made: dict[str, Op] = {
            "split": Split(name="split", input_ops=[read_op], local_service_handler=model),
            "arrays": AsItIs(name="arrays", input_ops=[read_op], local_service_handler=model),
            "photo": Size(name="photo", input_ops=[read_op]),
        }
        return made[self.name]


for name in ("split", "arrays", "photo"):
    service = Pipe(name=name)
    if name == "photo":
        service.kind, service.file_input = "image", "photo"
    service.prepare_pipeline_config(yml_dict={"http_port": 18000})
    service.run_service()
