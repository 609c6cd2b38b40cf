"""The first request of a service: one that it answers, for `/openapi.json`, the page, and who wants to see one.

What an author says comes first; else it is what the model answered when it was loaded.
"""

import base64
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import numpy as np
import orjson

from paddle_serving_app import plain_feed
from paddle_serving_app.signature import Input
from paddle_serving_client import byte_strings, dtype
from paddle_serving_client.message import Array
from paddle_serving_client.wire import pipeline_json
from paddle_serving_client.wire.pipeline import PipelineRequest
from paddle_serving_client.wire.pipeline_tensors import PipelineTensor, tensor_of
from paddle_serving_server.protocols.http import tensor_body, tensor_form
from paddle_serving_server.services.pipeline_service import PipelineService
from paddle_serving_server.services.service import Service, table_of
from paddle_serving_server.showing import page

JSON: Final = "application/json"
PICTURE: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAKUlEQVR42u3MQREAAAwCIPuX1hD77SAA6VEEAoFAIBAIBAKBQCAQfA8Gpwvw4q"
    "rwDDIAAAAASUVORK5CYII="
)
"""64 white pixels square, as PNG."""
MOST_VALUES: Final = 256
"""An example that is larger than this is nothing to read ..."""
_MOST_BYTES: Final = 64 << 20
"""... and one that is larger than this nothing to send."""
_SAMPLE: Final = "samples/shapes.jpg"
Instances = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Example:
    """The body of a request."""

    media_type: str
    body: bytes
    value: Mapping[str, Any] | None = None
    """What JSON it is, where it is some."""


def of(service: Service) -> Example | None:
    """For `POST /NAME/prediction`; None where nothing is known that would be answered."""
    if isinstance(service, PipelineService):
        value = pipeline(service)
        return None if value is None else Example(JSON, orjson.dumps(value), value)
    if (feed := feed_of(service)) is not None:
        value = {"feed": feed, "fetch": []}
        return Example(JSON, orjson.dumps(value), value)
    if service.about.kind == "image":
        file = page.files().get(_SAMPLE)
        return Example("image/png", PICTURE) if file is None else Example("image/jpeg", file.read_bytes())
    return _as_tensors(service.signature.inputs) if service.takes_tensors else None


def path_of(service: Service) -> str:
    """Where the body of `of` is."""
    return f"/services/{quote(service.name, safe='')}/example"


def beside(content: dict[str, Any], service: Service) -> dict[str, Any]:
    """What may be sent, by media type, with the example in it, or with the place where that is."""
    example = of(service)
    if example is None:
        return content
    kind = example.media_type.partition(";")[0]
    kind = "image/*" if kind.startswith("image/") else kind
    if example.value is not None:
        content[kind]["example"] = example.value
    else:
        content[kind]["examples"] = {"one": {"externalValue": path_of(service)}}
    return content


def feed_of(service: Service) -> Instances | None:
    """The instances of a request, where that is short enough to be read."""
    table, example = table_of(service), service.about.example
    if example is not None:
        return [example]
    if table is not None:
        return [table.example]
    return instances(service.signature.inputs) if service.takes_tensors and service.about.kind != "image" else None


def instances(inputs: Sequence[Input]) -> Instances | None:
    """A value for each input, without the batch axis; as many instances as models take that say how many.

    Returns:
        None where they would be too long to read, or JSON cannot say them.
    """
    tensors = small_tensors(inputs)
    if tensors is None or not all(array.ndim for array in tensors.values()):
        return None
    lengths = {1 if i.is_lod else len(tensors[i.alias]) for i in inputs}
    if len(lengths) != 1:
        return None
    rows = {i.alias: [_flat(tensors[i.alias])] if i.is_lod else byte_lists(tensors[i.alias]) for i in inputs}
    return [{name: row[k] for name, row in rows.items()} for k in range(lengths.pop())]


def small_tensors(inputs: Sequence[Input]) -> dict[str, Array] | None:
    """A tensor for each input, by alias; None where they would be too long to read, or JSON cannot say them."""
    kinds = [dtype.numpy_of(i.elem_type) for i in inputs]
    if not inputs or any(kind is None or kind.kind == "c" for kind in kinds) or _count(inputs) > MOST_VALUES:
        return None
    return {i.alias: plain_feed.filled(i.elem_type, plain_feed.sample_of(i)) for i in inputs}


def byte_lists(array: Array) -> Any:
    """A tensor as JSON says it."""
    if array.dtype.hasobject:
        return byte_strings.as_json(array)
    return array.astype(np.float64).tolist() if dtype.is_inexact(array.dtype) else array.tolist()


def pipeline(service: PipelineService) -> Mapping[str, Any] | None:
    """The body of a call: texts, as the first ops take them, and arrays for those without a step of their own.

    What an op makes of texts is known to its author only. Without an example of his it is what the pipelines of
    Paddle Serving take: the base64 text of a picture, and numbers with commas between them.
    """
    found: dict[str, str | Array] = {}
    example = service.about.example
    if example is not None:
        found = {k: v if isinstance(v, str) else np.asarray(v) for k, v in example.items()}
    elif service.file_input:
        found = {service.file_input: base64.b64encode(PICTURE).decode()}
    else:
        for signature, has_preprocess in service.entries:
            found |= _entry(signature.inputs, has_preprocess)
    if not found:
        return None
    texts = {name: value for name, value in found.items() if isinstance(value, str)}
    asked = PipelineRequest(key=tuple(texts), value=tuple(texts.values()), tensors=tuple(_tensors(found)))
    value: Mapping[str, Any] = orjson.loads(pipeline_json.request_to_json(asked))
    tensors = [
        {name: part for name, part in tensor.items() if part not in ([], "")} for tensor in value.get("tensors", [])
    ]
    return {**value, "tensors": tensors} if tensors else value


def picture_key(service: PipelineService) -> str:
    """The key whose text is a picture; empty: there is none."""
    if service.file_input or service.about.example is not None:
        return service.file_input
    takes = [i for signature, has_preprocess in service.entries if has_preprocess for i in signature.inputs]
    return "image" if any(map(_is_picture, takes)) else ""


def _entry(inputs: Sequence[Input], has_preprocess: bool) -> dict[str, str | Array]:
    if has_preprocess and any(map(_is_picture, inputs)):
        return {"image": base64.b64encode(PICTURE).decode()}
    if (tensors := small_tensors(inputs)) is None:
        return {}
    if not has_preprocess:
        return dict(tensors)
    return {name: ", ".join(map(str, byte_lists(array.reshape(-1)))) for name, array in tensors.items()}


def _tensors(found: Mapping[str, str | Array]) -> Iterable[PipelineTensor]:
    for name, value in found.items():
        if not isinstance(value, str):
            yield tensor_of(name, value)


def _is_picture(spec: Input) -> bool:
    """[N, C, H, W] or [N, H, W, C]."""
    kind = dtype.numpy_of(spec.elem_type)
    is_number = kind is not None and kind.kind in "iufV"
    return is_number and len(spec.shape) == 4 and (spec.shape[1] in (1, 3) or spec.shape[3] in (1, 3))


def _as_tensors(inputs: Sequence[Input]) -> Example | None:
    """As a .npy file, or as several in a form."""
    kinds = [dtype.numpy_of(i.elem_type) for i in inputs]
    if not inputs or any(kind is None or kind.hasobject for kind in kinds):
        return None
    if (
        sum(
            math.prod(plain_feed.sample_of(i).shape) * kind.itemsize
            for i, kind in zip(inputs, kinds, strict=True)
            if kind
        )
        > _MOST_BYTES
    ):
        return None
    files = {i.alias: tensor_body.as_npy(plain_feed.filled(i.elem_type, plain_feed.sample_of(i))) for i in inputs}
    if len(files) == 1:
        return Example(tensor_body.NPY, next(iter(files.values())))
    return Example(*tensor_form.written(files))


def _count(inputs: Sequence[Input]) -> int:
    return sum(math.prod(plain_feed.sample_of(i).shape) for i in inputs)


def _flat(sequence: Array) -> Any:
    """A sequence, as a list of its values where a row is one."""
    return byte_lists(sequence.reshape(-1) if sequence.size == len(sequence) else sequence)
