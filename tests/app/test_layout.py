"""What is nobody's model: strangers are told what they gave, and what each layout looks for."""

import zipfile
from pathlib import Path

import pytest

from paddle_serving_app import layout, layouts
from paddle_serving_client import plugins
from paddle_serving_client.errors import BadModel

KNOWN = plugins.names(layouts)


def test_layouts_are_plug_ins_and_yield_only_to_what_is_there() -> None:
    assert KNOWN == ["exported_model", "onnx", "paddle_program", "savedmodel", "serving_folder", "triton_model"]
    for name in KNOWN:
        plugin = plugins.load(layouts, name)
        assert set(plugin.YIELDS_TO) <= set(KNOWN) - {name}
        assert plugin.LOOKS_FOR in layout.expected()


def zipped(path: Path, *names: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, "x")


def touched(folder: Path, *names: str) -> None:
    folder.mkdir()
    for name in names:
        (folder / name).write_bytes(b"\x00\x01")


def nothing(path: Path) -> None:
    pass


def empty_folder(path: Path) -> None:
    path.mkdir()


def empty_file(path: Path) -> None:
    path.touch()


def torchscript(path: Path) -> None:
    zipped(path, "net/constants.pkl")


def archive(path: Path) -> None:
    zipped(path, "MAR-INF/MANIFEST.json", "net.pt")


def keras(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n")


def frozen_graph(path: Path) -> None:
    path.write_bytes(b"\n\x0e\n\x01x")


def safetensors(path: Path) -> None:
    path.write_bytes(b"\x40" + bytes(7) + b'{"__metadata__"')


def saved_model(path: Path) -> None:
    touched(path, "saved_model.pb", "fingerprint.pb")


def hugging_face(path: Path) -> None:
    touched(path, "config.json", "model.safetensors", "tokenizer.json")


def for_clients(path: Path) -> None:
    touched(path, "serving_client_conf.prototxt")


def trained_only(path: Path) -> None:
    touched(path, "net.pdparams")


def one_floor_up(path: Path) -> None:
    touched(path)
    touched(path / "a", "serving_server_conf.prototxt")
    touched(path / "b", "readme")


def two_models(path: Path) -> None:
    touched(path)
    for name in ("a.onnx", "b.onnx"):
        (path / name).write_bytes(b"\x08\x08")


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        ("none", nothing, "there is no such file or folder"),
        ("folder", empty_folder, "it is empty"),
        ("model.onnx", empty_file, "empty"),
        ("net.pt", torchscript, "a TorchScript model; it is not served yet: export the model to ONNX"),
        ("net.mar", archive, "a TorchServe archive; it is not served yet"),
        ("net.h5", keras, "an HDF5 file, as Keras writes; export the model to ONNX"),
        ("frozen.pb", frozen_graph, "a TensorFlow graph; save the model as a SavedModel, or export it"),
        ("net.safetensors", safetensors, "a safetensors file, which holds weights without the program; export"),
        ("saved", saved_model, "a TensorFlow SavedModel, whose saved_model.pb is empty or damaged"),
        ("bert", hugging_face, "a model of Hugging Face; export it to ONNX with optimum-cli"),
        ("client", for_clients, "the folder for clients; give the server's"),
        ("weights", trained_only, "training weights; export the model with paddle.jit.save"),
        (
            "two",
            two_models,
            "it holds a.onnx, b.onnx; there are models in it, of which one can be given: a.onnx, b.onnx;",
        ),
        ("models", one_floor_up, "it holds a/, b/; there are models in it, of which one can be given: a;"),
    ],
)
def test_what_is_nobodys_is_named(tmp_path: Path, name: str, make: object, words: str) -> None:
    path = tmp_path / name
    assert callable(make)
    make(path)
    assert not layout.is_model(path)
    with pytest.raises(BadModel) as raised:
        layout.of(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: ") and words in said and "\n" not in said
    assert layout.expected() in said or not path.exists()
