"""A PipelineServer with both ends made by hand, as the ensemble example of Paddle Serving has them."""

import numpy as np

from paddle_serving_server.pipeline import Op, PipelineServer, RequestOp, ResponseOp
from paddle_serving_server.pipeline.channel import ChannelDataErrcode
from paddle_serving_server.pipeline.proto import pipeline_service_pb2


class WordsRequestOp(RequestOp):
    def init_op(self):
        self.numbers = {"good": 1, "bad": 2}

    def unpack_request_package(self, request):
        dictdata = {}
        for idx, key in enumerate(request.key):
            if key == "bad":
                raise KeyError("unknown")
            if key != "words":
                continue
            ids = [self.numbers[word] for word in request.value[idx].split()]
            dictdata[key] = np.array(ids).reshape(len(ids), 1)
        if not dictdata:
            return None, request.logid, 51, f"no words from {request.clientip}"
        return dictdata, request.logid, None, ""


class SumOp(Op):
    def postprocess(self, input_dicts, fetch_data, data_id, log_id):
        return {"sum": fetch_data["words"].sum(axis=0), "log_id": np.array(log_id)}, None, ""


class OddResponseOp(ResponseOp):
    def pack_response_package(self, channeldata):
        resp = pipeline_service_pb2.Response()
        resp.err_no = channeldata.error_code
        if resp.err_no == ChannelDataErrcode.OK.value:
            for name, var in channeldata.parse().items():
                resp.value.append(var.__repr__())
                resp.key.append(name)
            resp.tensors.add(name="t", elem_type=1, shape=[1], float_data=[1.5])
        else:
            resp.err_msg = "packed: " + channeldata.error_info
        return resp


read_op = WordsRequestOp()
sum_op = SumOp(name="sum", input_ops=[read_op], concurrency=1, timeout=-1, retry=1, batch_size=1)
server = PipelineServer()
server.set_response_op(OddResponseOp(input_ops=[sum_op]))
server.prepare_server(yml_dict={"rpc_port": 18070, "http_port": 18071})
server.run_server()
