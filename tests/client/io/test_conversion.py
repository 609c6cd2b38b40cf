"""From exported models to served ones: configs byte for byte, models that Paddle loads and answers with."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddle_serving_client import io, manifest, model_config
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.wire.proto import framework_pb2 as pb
from tests import models
from tests.client.io import trained
from tests.models import Form

CAPTURED = Path(__file__).parents[2] / "data" / "frames" / "conf"
FORMS: tuple[Form, ...] = ("pdmodel", "json", "legacy", "separate")


@pytest.mark.parametrize("form", FORMS)
def test_every_kind_answers_as_before(tmp_path: Path, form: Form) -> None:
    source = trained.uci(tmp_path / "源" / "model", form)
    server, client = tmp_path / "服务 端" / "s", tmp_path / "c"
    assert io.inference_model_to_serving(source, server, client, fetch_alias_names="price")[0] == ["x"]
    answers = trained.answers(server, {"x": models.UCI_INPUT[None]})
    assert [array.item() for array in answers.values()] == pytest.approx([models.UCI_PRICE], abs=1e-5)
    spec = model_config.read(client, model_config.CLIENT_CONFIG)
    assert [fetch.name for fetch in spec.fetches] == list(answers) and spec.fetches[0].alias == "price"


@pytest.mark.parametrize("combined", [True, False])
def test_a_real_paddle_1_program_loads_in_paddle_3(tmp_path: Path, combined: bool) -> None:
    source = trained.paddle1(tmp_path / "m", combined=combined)
    io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c")
    answers = trained.answers(tmp_path / "s", {"x": models.UCI_INPUT[None]})
    assert answers["fc_0.tmp_1"].item() == pytest.approx(models.UCI_PRICE, abs=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_convolutions_and_dynamic_shapes(tmp_path: Path, form: Form) -> None:
    io.inference_model_to_serving(trained.conv(tmp_path / "m", form), tmp_path / "s", tmp_path / "c")
    image = np.random.default_rng(0).standard_normal((2, 3, 9, 11)).astype(np.float32)
    (answer,) = trained.answers(tmp_path / "s", {"image": image}).values()
    np.testing.assert_allclose(answer, models.conv_answer(image), atol=1e-5)


def test_client_config_is_that_of_the_real_converter(tmp_path: Path) -> None:
    io.inference_model_to_serving(
        trained.uci(tmp_path / "m"), tmp_path / "s", tmp_path / "c", fetch_alias_names="price"
    )
    captured = (CAPTURED / "uci" / model_config.CLIENT_CONFIG).read_bytes()
    assert (tmp_path / "c" / model_config.CLIENT_CONFIG).read_bytes() == captured
    assert (tmp_path / "s" / model_config.SERVER_CONFIG).read_bytes() == captured
    stream = "0a0c0a0178120178180020 01280d 1219 0a0a66635f302e746d705f31 12057072696365 180020012801"
    assert (tmp_path / "s" / model_config.SERVER_STREAM).read_bytes() == bytes.fromhex(stream)


def test_outputs_keep_their_order_and_get_aliases_by_name_as_scripts_know_it(tmp_path: Path) -> None:
    source = trained.paddle1(tmp_path / "m")
    program = trained.paddle1_program()
    trained.add_tensor(program.blocks[0], "a_last", (-1, 1))
    trained.add_operator(program.blocks[0], "fetch", {"X": "a_last"}, {"Out": "fetch"}, col=1)
    (source / "__model__").write_bytes(program.SerializeToString())
    names = io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c", fetch_alias_names="a, price")
    assert names == (["x"], ["fc_0.tmp_1", "a_last"])
    assert [fetch.alias for fetch in model_config.read(tmp_path / "s").fetches] == ["price", "a"]


def test_outputs_of_newer_kinds_keep_their_order(tmp_path: Path) -> None:
    model = trained.onnx_model()
    model.graph.output.add(name=b"a").type.tensor_type.elem_type = 7
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "net.onnx").write_bytes(model.SerializeToString())
    assert io.inference_model_to_serving(tmp_path / "m", tmp_path / "s", tmp_path / "c")[1] == ["y", "a"]


def test_onnx_goes_along_with_its_external_data(tmp_path: Path) -> None:
    (tmp_path / "m" / "parts").mkdir(parents=True)
    (tmp_path / "m" / "parts" / "w.bin").write_bytes(bytes(4))
    (tmp_path / "m" / "net.onnx").write_bytes(trained.onnx_model("parts/w.bin").SerializeToString())
    io.inference_model_to_serving(tmp_path / "m", tmp_path / "s", tmp_path / "c")
    assert manifest.verify(tmp_path / "s").files == ("net.onnx", "parts/w.bin")


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ((None, None), ("model.pdmodel", "params.pdiparams")),
        (("__model__", None), ("__model__", "__params__")),
    ],
)
def test_given_names_stay_and_others_become_the_usual_ones(
    tmp_path: Path, given: tuple[str | None, str | None], files: tuple[str, str]
) -> None:
    source = trained.paddle1(tmp_path / "m")
    io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c", *given)
    assert manifest.verify(tmp_path / "s").files == files
    trained.answers(tmp_path / "s", {"x": models.UCI_INPUT[None]})


def test_show_proto_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = trained.paddle1(tmp_path / "m")
    names = io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c", show_proto=True)
    assert names == (["x"], ["fc_0.tmp_1"])
    assert capsys.readouterr().out.startswith('feed_var {\n  name: "x"\n')
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


@pytest.mark.parametrize(
    ("aliases", "message"),
    [
        ({"feed_alias_names": "a,b"}, r"please check the input --feed_alias_names and .*feed aliases \['a', 'b'\]"),
        ({"fetch_alias_names": "a,"}, r"should be same size with feed_vars and fetch_vars: fetch aliases \['a', ''\]"),
        ({"fetch_alias_names": " "}, "please check the input"),
        ({"fetch_alias_names": "\ud800"}, "an alias is not text"),
    ],
)
def test_aliases_that_do_not_fit(tmp_path: Path, aliases: dict[str, Any], message: str) -> None:
    source = trained.paddle1(tmp_path / "m")
    with pytest.raises(BadConfig, match=message):
        io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c", **aliases)
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_aliases_that_are_the_same(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="feed_var alias_name 'a' is there more than once"):
        io.inference_model_to_serving(
            trained.multi(tmp_path / "m"), tmp_path / "s", tmp_path / "c", feed_alias_names="a,a,b"
        )


def test_a_model_that_is_refused_leaves_no_folder(tmp_path: Path) -> None:
    source = trained.paddle1(tmp_path / "m")
    (source / "fc_0.w_0").write_bytes(b"short")
    with pytest.raises(BadModel):
        io.inference_model_to_serving(source, tmp_path / "a" / "s", tmp_path / "a" / "c")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_relative_paths_and_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained.paddle1(tmp_path / "a" / "m")
    (tmp_path / "a" / "work").mkdir()
    monkeypatch.chdir(tmp_path / "a" / "work")
    io.inference_model_to_serving("../m", "../../out/s")
    assert Path.cwd() == tmp_path / "a" / "work"
    assert manifest.verify(tmp_path / "out" / "s").is_verified
    assert [path.name for path in Path.cwd().iterdir()] == ["serving_client"]


def test_no_inference_library_is_needed(tmp_path: Path) -> None:
    """Nor any other package than numpy and protobuf."""
    for form in FORMS:
        trained.uci(tmp_path / form, form)
    code = f"""
import sys
for name in ("paddle", "onnx", "onnxruntime", "openvino", "cv2", "yaml", "requests"):
    sys.modules[name] = None
from paddle_serving_client import io
for form in {FORMS}:
    io.inference_model_to_serving(form, form + "_server", form + "_client")
try:
    io.save_model("s", "c", {{}}, {{}})
except ImportError as exc:
    print(exc)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "saving a model needs Paddle: pip install paddlepaddle\n"
    assert all(manifest.verify(tmp_path / f"{form}_server").is_verified for form in FORMS)


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    message = trained.paddle1_program()
    message.blocks[0].vars.add(name=b"texts", type=pb.VarType(type=26))  # a list of texts
    trained.add_tensor(message.blocks[0], "small", (-1, 1), data_type=22)
    trained.add_operator(message.blocks[0], "fetch", {"X": "small"}, {"Out": "fetch"}, col=1)
    source = trained.paddle1(tmp_path / "m", combined=True)
    (source / "__model__").write_bytes(message.SerializeToString())
    with pytest.raises(BadModel, match="output 'small' is bfloat16, which cannot be served: cast it in the model"):
        io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c")
    trained.add_operator(message.blocks[0], "feed", {"X": "feed"}, {"Out": "texts"}, col=1)
    (source / "__model__").write_bytes(message.SerializeToString())
    with pytest.raises(BadModel, match="input 'texts' is no tensor of numbers .*: export the model without it"):
        io.inference_model_to_serving(source, tmp_path / "s", tmp_path / "c")
    assert not (tmp_path / "s").exists()
