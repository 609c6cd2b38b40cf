"""Model repositories for tests, with tiny ONNX models that need no package onnx to be written."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from paddle_serving_client.wire.proto import onnx_pb2 as pb

FLOAT, UINT8, INT32, INT64, STRING, FLOAT16 = 1, 2, 6, 7, 8, 10
"""ONNX's own numbers."""
Shape = Sequence[int | str] | None
"""A text is a dimension that may vary; None: nothing is said of the shape."""
Step = tuple[str, int, Mapping[str, str], Mapping[str, str]]
Tensors = Mapping[str, tuple[int, Shape]]


def onnx(
    path: Path, inputs: Tensors, outputs: Tensors, nodes: Sequence[tuple[str, Sequence[str], Sequence[str]]]
) -> Path:
    """Write a model: of each node the kind, what it takes and what it gives."""
    graph = pb.GraphProto()
    graph.MergeFromString(b"\x12\x01g")  # its name
    for values, tensors in ((graph.input, inputs), (graph.output, outputs)):
        for name, (elem_type, shape) in tensors.items():
            info = values.add(name=name.encode())
            info.type.tensor_type.elem_type = elem_type
            if shape is not None:
                info.type.tensor_type.shape.SetInParent()
            for dim in shape or ():
                added = info.type.tensor_type.shape.dim.add()
                if isinstance(dim, int):
                    added.dim_value = dim
    for kind, takes, gives in nodes:
        graph.node.add(
            op_type=kind.encode(), input=[name.encode() for name in takes], output=[name.encode() for name in gives]
        )
    model = pb.ModelProto(ir_version=8, graph=graph)
    model.opset_import.add(domain=b"", version=17)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def simple(path: Path, elem_type: int = INT32) -> Path:
    """INPUT0, INPUT1 [-1, 16] -> OUTPUT0, their sum, and OUTPUT1, their difference."""
    tensor = (elem_type, ("batch", 16))
    nodes = [("Add", ("INPUT0", "INPUT1"), ("OUTPUT0",)), ("Sub", ("INPUT0", "INPUT1"), ("OUTPUT1",))]
    return onnx(path, {"INPUT0": tensor, "INPUT1": tensor}, {"OUTPUT0": tensor, "OUTPUT1": tensor}, nodes)


def identity(path: Path, elem_type: int = FLOAT, shape: Shape = ("batch", 4), out: str = "Y") -> Path:
    """X -> Y, what came."""
    return onnx(path, {"X": (elem_type, shape)}, {out: (elem_type, shape)}, [("Identity", ("X",), (out,))])


SIMPLE = """
name: "simple"
platform: "onnxruntime_onnx"
max_batch_size: 8
input [ { name: "INPUT0" data_type: TYPE_INT32 dims: [ 16 ] }, { name: "INPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
output [ { name: "OUTPUT0" data_type: TYPE_INT32 dims: [ 16 ] } ]
output [ { name: "OUTPUT1" data_type: TYPE_INT32 dims: [ 16 ] } ]
"""

BERT = {
    "text_preprocessing": """
name: "text_preprocessing"
backend: "python"
max_batch_size: 4
input [ { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] } ]
output [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
instance_group [ { count: 1 kind: KIND_CPU } ]
""",
    "model_onnx": """
name: "model_onnx"
backend: "onnxruntime"
max_batch_size: 4
input [
  { name: "input_ids" data_type: TYPE_INT64 dims: [ -1 ] },
  { name: "attention_mask" data_type: TYPE_INT64 dims: [ -1 ] }
]
output { name: "logits" data_type: TYPE_FP32 dims: [ 3 ] }
instance_group [ { kind: KIND_GPU count: 2 gpus: [ 0 ] } ]
dynamic_batching { max_queue_delay_microseconds: 100 }
""",
    "post_processing": """
backend: 'python'
max_batch_size: 4
input: [ { name: "logits", data_type: TYPE_FP32, dims: [ 3 ] } ]
output: [ { name: "label", data_type: TYPE_STRING, dims: [ 1 ] } ]
""",
    "ensemble_model": """
name: "ensemble_model"
platform: "ensemble"
max_batch_size: 4
input [ { name: "text_input" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "label" data_type: TYPE_STRING dims: [ 1 ] } ]
ensemble_scheduling {
  step [
    {
      model_name: "text_preprocessing"
      model_version: -1
      input_map { key: "text_input" value: "text_input" }
      output_map { key: "input_ids" value: "ids" }
      output_map { key: "attention_mask" value: "mask" }
    },
    {
      model_name: "model_onnx"
      model_version: -1
      input_map { key: "input_ids" value: "ids" }
      input_map { key: "attention_mask" value: "mask" }
      output_map { key: "logits" value: "scores" }
    },
    {
      model_name: "post_processing"
      model_version: 1
      input_map { key: "logits" value: "scores" }
      output_map { key: "label" value: "label" }
    }
  ]
}
""",
}
"""A text classifier as people have it: two steps in Python around a model, and the ensemble of them."""


def ensemble(name: str, inputs: Sequence[str], outputs: Sequence[str], steps: Sequence[Step]) -> str:
    """The config of an ensemble over INT32 [16]: of each step the model, its version, what it takes and gives."""
    written = []
    for model, version, takes, gives in steps:
        maps = [("input_map", takes), ("output_map", gives)]
        lines = [f'{kind} {{ key: "{key}" value: "{value}" }}' for kind, of in maps for key, value in of.items()]
        written.append(f'{{ model_name: "{model}" model_version: {version} {" ".join(lines)} }}')
    tensors = [
        f'{kind} [ {{ name: "{tensor}" data_type: TYPE_INT32 dims: [ 16 ] }} ]'
        for kind, of in (("input", inputs), ("output", outputs))
        for tensor in of
    ]
    head = [f'name: "{name}"', 'platform: "ensemble"', "max_batch_size: 8", *tensors]
    return "\n".join([*head, f"ensemble_scheduling {{ step [ {', '.join(written)} ] }}"])


def put(folder: Path, config: str | None, files: Mapping[str, str | bytes] | None = None) -> Path:
    """Write the folder of a model: its config, if it has one, and files by their paths in it."""
    folder.mkdir(parents=True, exist_ok=True)
    if config is not None:
        (folder / "config.pbtxt").write_text(config)
    for name, content in (files or {}).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def bert(root: Path) -> Path:
    """The repository of `BERT`: its ensemble has no version folder, as Git leaves it."""
    for name, config in BERT.items():
        put(root / name, config, {} if name in ("model_onnx", "ensemble_model") else {"1/model.py": "# see BERT\n"})
    ids = (INT64, ("batch", "length"))
    onnx(
        root / "model_onnx/1/model.onnx",
        {"input_ids": ids, "attention_mask": ids},
        {"logits": (FLOAT, ("batch", 3))},
        [("Add", ("input_ids", "attention_mask"), ("sum",)), ("Cast", ("sum",), ("logits",))],
    )
    return root
