"""The service of pipeline_http_cases.json: it echoes, or misbehaves according to the value of `mode`.

python echo.py PORT [SECONDS BETWEEN REPORTS OF THE TRACER]
"""

import sys

import numpy as np

from paddle_serving_server.web_service import Op, WebService


class EchoOp(Op):
    def preprocess(self, input_dicts, data_id, log_id):
        ((_, said),) = input_dicts.items()
        mode = said.get("mode")
        if mode == "prod":
            return said, False, 55, "product says no"
        if mode == "raise":
            raise ValueError("boom 'quoted'")
        if mode == "short":
            return (said,)
        return said, mode == "skip", None, ""

    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        ((_, said),) = input_dicts.items()
        mode = said.get("mode")
        if mode == "prod2":
            return {}, 66, "post product"
        if mode == "praise":
            raise ValueError("post boom")
        if mode == "notdict":
            return [1], None, ""
        answers = {
            "np": {"a": np.array([[1.5, 2.5]], np.float32), "b": np.array([1, 2])},
            "int": {"a": 1},
            "mixed": {"a": "x", "b": np.array([1])},
            "strlist": {"a": ["x", "y"]},
        }
        plain = {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in fetch_data.items()}
        return answers.get(mode, {"res": "hello", "echo": str(plain)}), None, ""


class Echo(WebService):
    def get_pipeline_response(self, read_op):
        return EchoOp(name="echo", input_ops=[read_op])


service = Echo(name="uci")
dag = {"tracer": {"interval_s": int(sys.argv[2])}, "use_profile": True} if sys.argv[2:] else {}
service.prepare_pipeline_config(yml_dict={"http_port": int(sys.argv[1]), "dag": dag})
service.run_service()
