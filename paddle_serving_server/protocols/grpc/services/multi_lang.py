"""MultiLangGeneralModelService of Paddle Serving 0.6 and older: `MultiLangClient`, and callers in other languages."""

from paddle_serving_client import model_config
from paddle_serving_client.model_config import ModelSpec, Variable
from paddle_serving_client.wire import multi_lang
from paddle_serving_server.dataplane import general_model_calls
from paddle_serving_server.dataplane.call import Call
from paddle_serving_server.dataplane.plane import DataPlane


async def _inference(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    call.service = plane.catalogue.tensor_service_name
    await plane.catalogue.start.over(call.deadline)
    request = multi_lang.decode_request(message)
    wire = request.as_wire(plane.catalogue.tensor_service.signature.inputs)
    return multi_lang.encode_response(await general_model_calls.infer(plane, call, wire), request)


async def _set_timeout(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    """Agree: clients send the time of each call along with it. The original changed it for all callers at once."""
    multi_lang.decode_timeout_ms(message)
    return multi_lang.encode_simple_response()


async def _get_client_config(plane: DataPlane, call: Call, message: bytes | memoryview) -> bytes:
    """What the model takes and gives, as the text that clients read from serving_client_conf.prototxt elsewhere."""
    await plane.catalogue.start.over(call.deadline)
    signature = plane.catalogue.tensor_service.signature
    feeds = tuple(
        Variable(i.name, i.alias, i.elem_type, i.shape if i.is_lod else i.shape[1:], i.is_lod) for i in signature.inputs
    )
    fetches = tuple(Variable(o.name, o.alias, o.elem_type, o.shape, o.is_lod) for o in signature.outputs)
    return multi_lang.encode_client_config(model_config.to_text(ModelSpec(feeds, fetches)))


API = "paddle"
NAMES = (multi_lang.SERVICE,)
METHODS = {"Inference": _inference, "SetTimeout": _set_timeout, "GetClientConfig": _get_client_config}
