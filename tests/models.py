"""Tiny real models for tests: each function writes one model folder and returns it; `*_answer` says what it must give.

    from tests import models
    folder = models.uci(tmp_path / "uci")          # one program, one parameter file, serving_*_conf.prototxt
    models.uci(tmp_path / "uci3", form="json")     # the same model as Paddle 3 saves it

Forms: "pdmodel" (Paddle 2), "json" (Paddle 3), "legacy" (`__model__` and `__params__`), "separate" (`__model__` and one
file per parameter), "onnx". Variables keep their real names in every form but "json", where Paddle calls the outputs
fetch_name_0, fetch_name_1, ...; the config says so, and aliases are the same everywhere.
"""

import contextlib
import struct
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from paddle_serving_client import model_config
from paddle_serving_client.model_config import ModelSpec, Variable

Form = Literal["pdmodel", "json", "legacy", "separate", "onnx"]
F32 = npt.NDArray[np.float32]
I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
Layers = Callable[[Any, Any], tuple[list[Any], list[Any]]]
"""Given paddle and a function from a parameter's name to the parameter: the inputs and the outputs."""

UCI_INPUT = np.array(
    [0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332],
    np.float32,
)
"""The tutorial's house; its price is `UCI_PRICE`."""
UCI_PRICE = 18.901152
# fmt: off
UCI_W = np.array([
    -1.223457098, 2.674426317, -2.977812767, 4.224726677, -1.815559626, 8.564677238, -1.263478756,
    -3.547331572, -0.484840631, -2.262299061, -6.693300724, 2.094819546, -10.552702904,
], np.float32)
# fmt: on
UCI_B = np.array([22.738298416], np.float32)

_FLOAT, _INT64, _INT32, _FLOAT16, _INT8, _UINT8, _STRING = 1, 0, 2, 5, 8, 7, 20
CONV_CLASSES = 10
_CONV_CHANNELS = 4


def uci(folder: Path, form: Form = "pdmodel", weights: F32 = UCI_W) -> Path:
    """x float32[-1, 13] -> fc_0.tmp_1, alias price, float32[-1, 1]: the published weights of uci_housing."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, 13], "float32")
        return [x], [paddle.nn.functional.linear(x, weight("fc_0.w_0"), weight("fc_0.b_0"))]

    spec = ModelSpec((_var("x", _FLOAT, 13),), (_var("fc_0.tmp_1", _FLOAT, 1, alias="price"),))
    return _build(folder, form, spec, layers, {"fc_0.w_0": weights[:, None], "fc_0.b_0": UCI_B})


def uci_answer(x: npt.ArrayLike) -> F32:
    """(N, 13) -> (N, 1)."""
    return np.asarray(np.asarray(x, np.float32) @ UCI_W[:, None] + UCI_B, np.float32)


def simple(folder: Path, form: Form = "onnx") -> Path:
    """INPUT0, INPUT1 int32[-1, 16] -> OUTPUT0, their sum, and OUTPUT1, their difference: a model of Triton's tests."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        a, b = (paddle.static.data(name, [-1, 16], "int32") for name in ("INPUT0", "INPUT1"))
        return [a, b], [a + b, a - b]

    feeds = _var("INPUT0", _INT32, 16), _var("INPUT1", _INT32, 16)
    fetches = _var("sum", _INT32, 16, alias="OUTPUT0"), _var("difference", _INT32, 16, alias="OUTPUT1")
    return _build(folder, form, ModelSpec(feeds, fetches), layers, {})


def multi(folder: Path, form: Form = "pdmodel") -> Path:
    """Three inputs and three outputs of three types, with the names of `tests/data/frames/conf/multi`.

    The int64 are only moved, since there is a library that computes them in 32 bits.
    """

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        f = paddle.static.data("f_real", [-1, 3], "float32")
        i64 = paddle.static.data("i64_real", [-1, 2], "int64")
        i32 = paddle.static.data("i32_real", [-1, 2], "int32")
        real = paddle.nn.functional.linear(f, weight("fc_0.w_0"))
        first, second = paddle.split(i64, 2, 1)
        return [f, i64, i32], [real, paddle.concat([second, first], 1), i32 - paddle.full([1], 1, "int32")]

    spec = ModelSpec(
        (
            _var("f_real", _FLOAT, 3, alias="f"),
            _var("i64_real", _INT64, 2, alias="i64"),
            _var("i32_real", _INT32, 2, alias="i32"),
        ),
        (
            _var("o1_real", _FLOAT, 2, alias="o1"),
            _var("o2_real", _INT64, 2, alias="o2"),
            _var("o3_real", _INT32, 2, alias="o3"),
        ),
    )
    return _build(folder, form, spec, layers, {"fc_0.w_0": _MULTI_W})


_MULTI_W = np.array([[2, 0], [0, 3], [-1, 1]], np.float32)


def multi_answer(f: npt.ArrayLike, i64: npt.ArrayLike, i32: npt.ArrayLike) -> tuple[F32, I64, I32]:
    """What `multi` gives: o1 (N, 2) float32, o2 (N, 2) int64, o3 (N, 2) int32."""
    return (
        np.asarray(np.asarray(f, np.float32) @ _MULTI_W, np.float32),
        np.asarray(i64, np.int64)[:, ::-1],
        np.asarray(np.asarray(i32, np.int32) - 1, np.int32),
    )


def conv(folder: Path, form: Form = "pdmodel") -> Path:
    """image float32[-1, 3, -1, -1] -> conv2d 3x3 stride 2, relu, mean over H and W, fc, softmax -> prob[-1, 10].

    Every dynamic dimension there is. The config lists the fixed ones only, as converters write it.
    """

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        image = paddle.static.data("image", [-1, 3, -1, -1], "float32")
        seen = paddle.nn.functional.relu(paddle.nn.functional.conv2d(image, weight("conv2d_0.w_0"), stride=2))
        logits = paddle.nn.functional.linear(paddle.mean(seen, [2, 3]), weight("fc_0.w_0"), weight("fc_0.b_0"))
        return [image], [paddle.nn.functional.softmax(logits)]

    spec = ModelSpec((_var("image", _FLOAT, 3),), (_var("softmax_0.tmp_0", _FLOAT, CONV_CLASSES, alias="prob"),))
    kernel, weight, bias = _conv_weights()
    return _build(folder, form, spec, layers, {"conv2d_0.w_0": kernel, "fc_0.w_0": weight, "fc_0.b_0": bias})


def conv_answer(image: npt.ArrayLike) -> F32:
    """(N, 3, H, W) -> (N, 10), computed in float64."""
    kernel, weight, bias = _conv_weights()
    x = np.asarray(image, np.float64)
    height, width = (x.shape[2] - 3) // 2 + 1, (x.shape[3] - 3) // 2 + 1
    seen = sum(
        np.einsum("nchw,oc->nohw", x[:, :, r : r + 2 * height : 2, c : c + 2 * width : 2], kernel[:, :, r, c])
        for r in range(3)
        for c in range(3)
    )
    logits = np.maximum(seen, 0).mean((2, 3)) @ weight + bias
    odds = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(odds / odds.sum(1, keepdims=True), np.float32)


def _conv_weights() -> tuple[F32, F32, F32]:
    random = np.random.default_rng(7)
    shapes = ((_CONV_CHANNELS, 3, 3, 3), (_CONV_CHANNELS, CONV_CLASSES), (CONV_CLASSES,))
    kernel, weight, bias = (random.standard_normal(shape).astype(np.float32) for shape in shapes)
    return kernel, weight, bias


def half_plus_two(folder: Path, form: Form = "pdmodel", axes: tuple[int, ...] = ()) -> Path:
    """x float32[-1, *axes] -> y, half of each value and 2: the model of TensorFlow Serving's tutorial."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, *axes], "float32")
        return [x], [paddle.scale(x, 0.5, bias=2.0)]

    spec = ModelSpec((_var("x", _FLOAT, *axes),), (_var("y", _FLOAT, *axes),))
    return _build(folder, form, spec, layers, {})


def heavy(folder: Path, form: Form = "onnx") -> Path:
    """x float32[-1, 13] -> y float32[-1, 1]: some milliseconds of computing for each row."""
    random = np.random.default_rng(6)
    wide, times = 1024, 64
    weights = {"in_w": (13, wide), "mid_w": (wide, wide), "out_w": (wide, 1)}
    values = {name: (random.standard_normal(shape) / 32).astype(np.float32) for name, shape in weights.items()}

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, 13], "float32")
        linear, relu = paddle.nn.functional.linear, paddle.nn.functional.relu
        hidden = linear(x, weight("in_w"))
        for _ in range(times):
            hidden = relu(linear(hidden, weight("mid_w")))
        return [x], [linear(hidden, weight("out_w"))]

    spec = ModelSpec((_var("x", _FLOAT, 13),), (_var("matmul_65.tmp_0", _FLOAT, 1, alias="y"),))
    return _build(folder, form, spec, layers, values)


def upsample(folder: Path, form: Form = "json") -> Path:
    """image float32[-1, 2, -1, -1] -> each pixel four times; as "json", oneDNN in Paddle 3.3 lacks the operator."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        image = paddle.static.data("image", [-1, 2, -1, -1], "float32")
        return [image], [paddle.nn.functional.interpolate(image, scale_factor=[2.0, 2.0], mode="nearest")]

    spec = ModelSpec((_var("image", _FLOAT, 2),), (_var("larger", _FLOAT, 2),))
    return _build(folder, form, spec, layers, {})


def upsample_answer(image: npt.ArrayLike) -> F32:
    """(N, 2, H, W) -> (N, 2, 2 H, 2 W)."""
    return np.asarray(image, np.float32).repeat(2, axis=2).repeat(2, axis=3)


def lod(folder: Path, form: Form = "pdmodel") -> Path:
    """w_real (alias words) int64 with LoD -> o1_real (alias crf) int64 with the same LoD: words * 2."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        words = paddle.static.data("w_real", [-1, 1], "int64", lod_level=1)
        return [words], [paddle.scale(words, 2.0)]

    spec = ModelSpec(
        (_var("w_real", _INT64, -1, alias="words", is_lod=True),),
        (_var("o1_real", _INT64, -1, alias="crf", is_lod=True),),
    )
    return _build(folder, form, spec, layers, {})


def lod_answer(words: npt.ArrayLike) -> I64:
    """(N, 1) -> (N, 1)."""
    return np.asarray(words, np.int64) * 2


def f16(folder: Path, form: Form = "pdmodel") -> Path:
    """h_real float16[2], i8_real int8[2] -> o1_real float32[2], their sum."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        half = paddle.static.data("h_real", [-1, 2], "float16")
        small = paddle.static.data("i8_real", [-1, 2], "int8")
        return [half, small], [half.astype("float32") + small.astype("float32")]

    spec = ModelSpec(
        (_var("h_real", _FLOAT16, 2, alias="h"), _var("i8_real", _INT8, 2, alias="i8")),
        (_var("o1_real", _FLOAT, 2, alias="o1"),),
    )
    return _build(folder, form, spec, layers, {})


def text_and_bytes(folder: Path, form: Form = "json") -> Path:
    """u8_real uint8[4] and s_real, a string as its bytes -> o1_real float32[4]: u8 plus the sum of the text."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        small = paddle.static.data("u8_real", [-1, 4], "uint8")
        text = paddle.static.data("s_real", [-1], "uint8")
        return [small, text], [small.astype("float32") + paddle.sum(text.astype("float32"))]

    spec = ModelSpec(
        (_var("u8_real", _UINT8, 4, alias="u8"), _var("s_real", _STRING, 1, alias="s")),
        (_var("o1_real", _FLOAT, 4, alias="o1"),),
    )
    return _build(folder, form, spec, layers, {})


def f16_answer(h: npt.ArrayLike, i8: npt.ArrayLike) -> F32:
    """(N, 2) each."""
    return np.asarray(np.asarray(h, np.float16).astype(np.float32) + np.asarray(i8, np.int8), np.float32)


def houses(folder: Path, form: Form = "pdmodel", alias: str = "x") -> Path:
    """p float32[-1, 1] -> x_real float32[-1, 13], a house for a price: what `uci` takes, by alias."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        p = paddle.static.data("p", [-1, 1], "float32")
        return [p], [paddle.nn.functional.linear(p, weight("fc_0.w_0"))]

    spec = ModelSpec((_var("p", _FLOAT, 1),), (_var("x_real", _FLOAT, 13, alias=alias),))
    return _build(folder, form, spec, layers, {"fc_0.w_0": _HOUSE[None, :]})


_HOUSE = np.linspace(0, 0.06, 13, dtype=np.float32)


def houses_answer(p: npt.ArrayLike) -> F32:
    """(N, 1) -> (N, 13)."""
    return np.asarray(np.asarray(p, np.float32) * _HOUSE, np.float32)


def text_detector(folder: Path, form: Form = "pdmodel") -> Path:
    """x float32[-1, 3, -1, -1] -> map float32[-1, 1, -1, -1]: what is bright in a normalised picture is text."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, 3, -1, -1], "float32")
        return [x], [paddle.nn.functional.hardsigmoid(paddle.nn.functional.conv2d(x, weight("conv2d_0.w_0")))]

    spec = ModelSpec((_var("x", _FLOAT, 3),), (_var("map", _FLOAT, 1),))
    return _build(folder, form, spec, layers, {"conv2d_0.w_0": np.full((1, 3, 1, 1), 2, np.float32)})


def line_reader(folder: Path, form: Form = "pdmodel") -> Path:
    """x float32[-1, 3, 32, -1], lines of text -> bright float32[-1, 1]: the share of pixels that are bright."""

    def layers(paddle: Any, weight: Any) -> tuple[list[Any], list[Any]]:
        x = paddle.static.data("x", [-1, 3, 32, -1], "float32")
        share = paddle.mean(paddle.nn.functional.relu(x), [2, 3])
        return [x], [paddle.nn.functional.linear(share, weight("fc_0.w_0"))]

    spec = ModelSpec((_var("x", _FLOAT, 3, 32),), (_var("bright", _FLOAT, 1),))
    return _build(folder, form, spec, layers, {"fc_0.w_0": np.full((3, 1), 1 / 3, np.float32)})


def write_configs(folder: Path, spec: ModelSpec) -> None:
    """Write the server's and the client's config, both forms."""
    for text, stream in (
        (model_config.SERVER_CONFIG, model_config.SERVER_STREAM),
        (model_config.CLIENT_CONFIG, model_config.CLIENT_STREAM),
    ):
        (folder / text).write_text(model_config.to_text(spec))
        (folder / stream).write_bytes(model_config.to_stream(spec))


def split_parameters(combined: bytes) -> list[bytes]:
    """A combined parameter file cut into the files that Paddle 1 wrote, one per parameter, in order of their names."""
    parts, start = [], 0
    while start < len(combined):
        (length,) = struct.unpack_from("<i", combined, start + 16)
        desc = combined[start + 20 : start + 20 + length]
        end = start + 20 + length + _tensor_bytes(desc)
        parts.append(combined[start:end])
        start = end
    return parts


def _tensor_bytes(desc: bytes) -> int:
    from paddle_serving_client.wire.proto import framework_pb2

    tensor = framework_pb2.VarType.TensorDesc.FromString(desc)
    return int(np.prod(tensor.dims)) * {2: 4, 3: 8, 5: 4}[tensor.data_type]


def _var(name: str, elem_type: int, *shape: int, alias: str = "", is_lod: bool = False) -> Variable:
    return Variable(name, alias or name, elem_type, shape, is_lod)


def _build(folder: Path, form: Form, spec: ModelSpec, layers: Layers, values: dict[str, F32]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if form == "json":
        fetches = tuple(
            Variable(f"fetch_name_{k}", v.alias, v.elem_type, v.shape, v.is_lod) for k, v in enumerate(spec.fetches)
        )
        spec = ModelSpec(spec.feeds, fetches)
    names = [fetch.name for fetch in spec.fetches]
    with quiet_paddle() as paddle:
        _save(paddle, folder / ("inference" if form == "json" else "model"), form, names, layers, values)
    program, params = folder / "model.pdmodel", folder / "model.pdiparams"
    if form in ("legacy", "separate"):
        program.rename(folder / "__model__")
    if form == "legacy" and params.exists():
        params.rename(folder / "__params__")
    if form == "separate" and params.exists():
        for name, part in zip(sorted(values), split_parameters(params.read_bytes()), strict=True):
            (folder / name).write_bytes(part)
        params.unlink()
    if form == "onnx":
        _to_onnx(program, params, folder / "model.onnx")
        program.unlink()
        params.unlink(missing_ok=True)
    write_configs(folder, spec)
    return folder


@contextlib.contextmanager
def quiet_paddle() -> Iterator[Any]:
    """Paddle in static mode, without the warnings that its import gives; the mode is as before afterwards."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import paddle

        was_dynamic = paddle.in_dynamic_mode()
        paddle.enable_static()
        try:
            yield paddle
        finally:
            if was_dynamic:
                paddle.disable_static()


def _save(paddle: Any, path: Path, form: Form, names: list[str], layers: Layers, values: dict[str, F32]) -> None:
    with contextlib.ExitStack() as stack:
        if form != "json":
            stack.enter_context(paddle.pir_utils.OldIrGuard())
        main, startup = paddle.static.Program(), paddle.static.Program()
        stack.enter_context(paddle.static.scope_guard(paddle.static.Scope()))
        stack.enter_context(paddle.static.program_guard(main, startup))
        stack.enter_context(paddle.base.unique_name.guard())

        def weight(name: str) -> Any:
            initial = paddle.nn.initializer.Assign(values[name])
            attr = paddle.ParamAttr(name=name, initializer=initial)
            return paddle.create_parameter(list(values[name].shape), "float32", attr=attr)

        feeds, fetches = layers(paddle, weight)
        executor = paddle.static.Executor(paddle.CPUPlace())
        executor.run(startup)
        if form != "json":
            block = main.global_block()
            for fetch, name in zip(fetches, names, strict=True):
                if fetch.name != name:
                    block._rename_var(fetch.name, name)
            fetches = [block.var(name) for name in names]
        paddle.static.save_inference_model(str(path), feeds, fetches, executor, program=main)


def _to_onnx(program: Path, params: Path, onnx: Path) -> None:
    import paddle2onnx

    paddle2onnx.export(str(program), str(params) if params.exists() else "", str(onnx), opset_version=13)
