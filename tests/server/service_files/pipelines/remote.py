"""Ops whose models other servers have. Arguments: the uci model's client config, and that server's address."""

import sys

from paddle_serving_server.web_service import Op, WebService


class PriceOp(Op):
    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return (
            {name: value if isinstance(value, str) else str(float(value[0, 0])) for name, value in fetch_data.items()},
            None,
            "",
        )


class Service(WebService):
    def get_pipeline_response(self, read_op):
        op = PriceOp(name=self.name, input_ops=[read_op])
        op.set_pack_tensor_format(True)
        return op


config, endpoint = sys.argv[1:]
for name in ("brpc", "grpc", "pipeline_grpc", "brpc_asked_by_a_process"):
    kind = name.removesuffix("_asked_by_a_process")
    settings = {"server_endpoints": [endpoint], "client_type": kind, "timeout": 5000}
    settings |= {} if kind == "pipeline_grpc" else {"client_config": config, "fetch_list": ["price"]}
    service = Service(name=name)
    dag = {"is_thread_op": name == kind}
    service.prepare_pipeline_config(yml_dict={"http_port": 18000, "dag": dag, "op": {name: settings}})
    service.run_service()
