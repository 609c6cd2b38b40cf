"""Models in the place of those whose addresses are gone: the same inputs and outputs, saved by our `save_model`."""

import contextlib
import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_client import model_config
from paddle_serving_client.io import save_model
from paddle_serving_client.model_config import ModelSpec, Variable
from tests import models

CLASSES, DAISY, DECOY = 1000, 985, 0
DAISY_COLOUR = np.array([1.0625, 1.2422, 1.3200], np.float32)
"""The mean of each channel of daisy.jpg, red first, after the scripts' `Normalize`."""
SENTIMENT_WORDS = 8
_OF_OCR = "save_infer_model/scale_0.tmp_1"
_SERVED = Path(__file__).resolve().parents[3] / "serving_model"


def uci(server: Path, client: Path) -> None:
    """The model of the housing example, with its published weights, in the form it had."""
    _split(models.uci(server, "separate"), client)


def imdb(server: Path, client: Path) -> None:
    """words int64 with LoD -> prediction[2]: which of the words 0 (bad) and 1 (good) there are more of."""
    feelings = np.zeros((SENTIMENT_WORDS + 1, 2), np.float32)
    feelings[0, 0] = feelings[1, 1] = 3

    def layers(paddle: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        words = paddle.static.data("words", [-1, 1], "int64", lod_level=1)
        table = paddle.ParamAttr(initializer=paddle.nn.initializer.Assign(feelings))
        felt = paddle.static.nn.embedding(words, list(feelings.shape), param_attr=table)
        pooled = paddle.reshape(paddle.static.nn.sequence_lod.sequence_pool(felt, "sum"), [-1, 2])
        return {"words": words}, {"prediction": paddle.nn.functional.softmax(pooled)}

    _save(server, client, layers)


def classifier(feed: str, fetch: str, server: Path, client: Path) -> None:
    """3x224x224 -> scores of 1000 classes; class 985 wins for daisy.jpg, class 0 for it with red and blue exchanged."""
    weights = np.random.default_rng(0).standard_normal((3, CLASSES)).astype(np.float32)
    weights *= 2 / np.linalg.norm(weights, axis=0)
    weights[:, DAISY] = 6 * DAISY_COLOUR / np.linalg.norm(DAISY_COLOUR)
    weights[:, DECOY] = weights[::-1, DAISY]

    def layers(paddle: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        image = paddle.static.data(feed, [-1, 3, 224, 224], "float32")
        scores = paddle.nn.functional.linear(paddle.mean(image, [2, 3]), _constant(paddle, weights))
        return {feed: image}, {fetch: paddle.nn.functional.softmax(scores)}

    _save(server, client, layers)


def segmenter(server: Path, client: Path) -> None:
    """image float32[512, 512, 3], as it was read -> output int64[512, 512]: 1 where it is bright."""

    def layers(paddle: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        image = paddle.static.data("image", [-1, 512, 512, 3], "float32")
        return {"image": image}, {"output": (paddle.mean(image, 3) > 127).astype("int64")}

    _save(server, client, layers)


def detector(inputs: Sequence[str], fetch: str, server: Path, client: Path) -> None:
    """A picture -> two boxes of six numbers each, as sequences; the second one's score is the mean of the picture's.

    Args:
        inputs: besides `image`, each two numbers.
        fetch: the output's alias.
    """

    def layers(paddle: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        image = paddle.static.data("image", [-1, 3, -1, -1], "float32")
        others = {name: paddle.static.data(name, [-1, 2], "float32") for name in inputs}
        unused = sum((paddle.mean(other) for other in others.values()), paddle.mean(image)) * 0
        rows = _constant(paddle, np.array([[0, 0.9, 10, 20, 110, 220], [2, 0.6, 5, 5, 50, 60]], np.float32)) + unused
        block = paddle.static.default_main_program().global_block()
        boxes = block.create_var(name="boxes", dtype="float32", shape=[-1, 6], lod_level=1)
        block.append_op(type="lod_reset", inputs={"X": [rows]}, outputs={"Out": [boxes]}, attrs={"target_lod": [0, 2]})
        return {"image": image, **others}, {fetch: boxes}

    _save(server, client, layers)


def bert(server: Path, client: Path) -> None:
    """Four inputs int64[128, 1] -> pooled_output[4], their means, and sequence_output[128, 1], the first of them."""

    def layers(paddle: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        names = ("input_ids", "position_ids", "segment_ids", "input_mask")
        inputs = {name: paddle.static.data(name, [-1, 128, 1], "int64") for name in names}
        numbers = [each.astype("float32") for each in inputs.values()]
        pooled = paddle.concat([paddle.mean(each, 1) for each in numbers], 1)
        return inputs, {"pooled_output": pooled, "sequence_output": numbers[0] + 0}

    _save(server, client, layers)


def text_detector(server: Path, client: Path) -> None:
    """PP-OCRv4 as `convert/ppocr.py` made it, with the output's name of the model that the example had."""
    source = _SERVED / "ppocr_det"
    server.mkdir(parents=True)
    for suffix in (".pdmodel", ".pdiparams"):
        shutil.copy(source / f"inference{suffix}", server)
    spec = model_config.read(source)
    (image,), (seen,) = spec.feeds, spec.fetches
    feed = Variable(image.name, "x", image.elem_type, (3, -1, -1), image.is_lod)
    fetch = Variable(seen.name, _OF_OCR, seen.elem_type, seen.shape, seen.is_lod)
    models.write_configs(server, ModelSpec((feed,), (fetch,)))
    _split(server, client)


def text_reader(server: Path, client: Path) -> None:
    """PP-OCRv4, likewise; it reads lines of 48 pixels, so those of 32 that the examples give it are enlarged first."""
    with contextlib.ExitStack() as stack:
        paddle = stack.enter_context(models.quiet_paddle())
        stack.enter_context(paddle.pir_utils.OldIrGuard())
        stack.enter_context(paddle.static.scope_guard(paddle.static.Scope()))
        executor = paddle.static.Executor(paddle.CPUPlace())
        path = str(_SERVED / "ppocr_rec" / "inference")
        program, (taken,), (seen,) = paddle.static.load_inference_model(path, executor)
        block = program.global_block()
        low = block.create_var(name="low", shape=[-1, 3, 32, -1], dtype="float32", is_data=True)
        first = next(place for place, op in enumerate(block.ops) if op.type != "feed")
        block._insert_op(
            first,
            type="bilinear_interp_v2",
            inputs={"X": [low]},
            outputs={"Out": [block.var(taken)]},
            attrs={"scale": [1.5, 1.5], "align_corners": False, "out_d": -1, "out_h": -1, "out_w": -1},
        )
        stack.enter_context(paddle.static.program_guard(program))
        _write(server, client, {"x": low}, {_OF_OCR: seen}, program)


def characters() -> bytes:
    """The characters that `text_reader` reads, one in each line."""
    return (_SERVED / "ppocr_rec" / "ppocr_keys_v1.txt").read_bytes()


def _constant(paddle: Any, value: models.F32) -> Any:
    attr = paddle.ParamAttr(initializer=paddle.nn.initializer.Assign(value))
    return paddle.create_parameter(list(value.shape), "float32", attr=attr)


def _split(both: Path, client: Path) -> None:
    client.mkdir(parents=True)
    for config in (model_config.CLIENT_CONFIG, model_config.CLIENT_STREAM):
        (both / config).rename(client / config)


def _save(server: Path, client: Path, layers: Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]) -> None:
    with models.quiet_paddle() as paddle, paddle.pir_utils.OldIrGuard():
        main, startup = paddle.static.Program(), paddle.static.Program()
        scope = paddle.static.scope_guard(paddle.static.Scope())
        with scope, paddle.static.program_guard(main, startup), paddle.base.unique_name.guard():
            feeds, fetches = layers(paddle)
            paddle.static.Executor(paddle.CPUPlace()).run(startup)
            _write(server, client, feeds, fetches, main)


def _write(server: Path, client: Path, feeds: dict[str, Any], fetches: dict[str, Any], program: Any) -> None:
    save_model(server, client, feeds, fetches, program, model_filename="__model__", params_filename="__params__")


@functools.cache
def of(kind: str) -> Callable[[Path, Path], None]:
    """What makes a stand-in: its name here, and after a colon what it takes, with `>` in front of the output."""
    name, _, taken = kind.partition(":")
    if name == "classifier":
        feed, fetch = taken.split(">")
        return functools.partial(classifier, feed, fetch)
    if name == "detector":
        inputs, fetch = taken.split(">")
        return functools.partial(detector, tuple(inputs.split(",")) if inputs else (), fetch)
    return {"uci": uci, "imdb": imdb, "bert": bert, "segmenter": segmenter, "det": text_detector, "rec": text_reader}[
        name
    ]
