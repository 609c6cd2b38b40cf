"""`serve THING ...`: what a word means, what its service is called, and what is said of words that mean nothing."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_client.model_config import SERVER_CONFIG
from paddle_serving_server.config import things
from paddle_serving_server.config.command_line import NothingToServe, parse
from paddle_serving_server.config.things import Thing, Things
from paddle_serving_server.config.values import ServerConfig


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a thing of each kind, which is the current one; nobody loads them here."""
    for name in ("uci", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / SERVER_CONFIG).touch()
    (tmp_path / "net.v2.onnx").write_bytes(b"\x08\x08")
    (tmp_path / "hello.py").touch()
    (tmp_path / "server.yml").write_text("thread: 7\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def config(*argv: str) -> ServerConfig:
    return parse(argv)[0].config


def names(*argv: str) -> list[tuple[str, str]]:
    return [(model.name, model.folder) for model in config(*argv).models]


def test_each_word_is_a_service_of_its_own(here: Path) -> None:
    said = config("uci", "b=other", "net.v2.onnx", "hello.py", "server.yml", "--port", "9000")
    assert [(m.name, m.folder, m.nodes) for m in said.models] == [
        ("uci", "uci", ()),
        ("b", "other", ()),
        ("net.v2", "net.v2.onnx", ()),
    ]
    assert (said.services, said.threads, said.port) == (("hello.py",), 7, 9000)
    assert config("start", "uci") == config("uci")
    assert ServerConfig.from_json(said.to_json()) == said


def test_the_models_of_one_flag_are_a_chain_beside_them(here: Path) -> None:
    chain, alone = config("--model", "b=uci", "other", "--thread", "4", "net.v2.onnx").models
    assert (chain.name, [node.folder for node in chain.nodes]) == ("b", ["uci", "other"])
    assert (alone.name, alone.nodes) == ("net.v2", ())
    assert names("--model", "net.v2.onnx") == [("net.v2", "net.v2.onnx")]
    assert names("--model", "x=uci") == [("x", "uci")]


def test_flags_for_each_model_count_words_too(here: Path) -> None:
    said = config("uci", "other", "--gpu_ids", "-1", "0", "--golden", "-", str(here / "hello.py"))
    assert [(m.options.gpu_id, m.options.golden) for m in said.models] == [(None, ""), (0, str(here / "hello.py"))]
    with pytest.raises(BadConfig, match="--golden takes one file for each of 2 models"):
        config("uci", "other", "--golden", "-")


@pytest.mark.parametrize(
    ("name", "service"),
    [("my model", "my_model"), ("resnet-50 (v1)", "resnet-50_v1_"), ("房价", "model"), (".hidden", "hidden")],
)
def test_a_derived_name_is_one_that_a_service_may_have(tmp_path: Path, name: str, service: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / SERVER_CONFIG).touch()
    assert things.name_of(str(folder)) == service
    assert things.NAME.fullmatch(service)


def test_a_path_that_is_there_is_a_path(here: Path) -> None:
    (here / "a=b").mkdir()
    (here / "a=b" / SERVER_CONFIG).touch()
    assert things.parse("a=b") == Thing("a=b")
    assert things.parse("a=c") == Thing("c", "a")
    assert names("a=b") == [("a_b", "a=b")]


def test_a_folder_may_be_called_like_a_file(here: Path) -> None:
    (here / "m.py").mkdir()
    (here / "m.py" / SERVER_CONFIG).touch()
    assert things.sorted_out(["m.py"]) == Things(models=(Thing("m.py"),))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["none"], "nothing to serve: none: there is no such file or folder"),
        (["none.py"], "nothing to serve: none.py: there is no such file or folder"),
        (["a b=uci"], "a b=uci: NAME=PATH is expected, where a name has letters"),
        (["x=hello.py"], "x=hello.py: a file of services or of settings says the names itself; give only hello.py"),
        (["server.yml", "server.yml", "uci"], "one file of settings is taken"),
        (["server.yml", "uci", "--config", "server.yml"], "one file of settings is taken"),
        (["uci", "x=other", "x=net.v2.onnx"], "several models would be served as x: give them names, as NAME=PATH"),
        (["uci", "other", "--name", "x"], "--name x is for one model without a name"),
        (["y=uci", "--name", "x"], "--name x is for one model without a name"),
        (["--model", "none"], "--model none: there is no such file or folder"),
    ],
)
def test_what_cannot_be_is_named(here: Path, argv: list[str], words: str) -> None:
    with pytest.raises(BadConfig) as raised:
        config(*argv)
    assert words in str(raised.value)


def test_settings_alone_are_nothing_to_serve(here: Path) -> None:
    with pytest.raises(NothingToServe, match="serve PATH, --model PATH or --service FILE.py"):
        config("server.yml")
    (here / "server.yml").write_text("model: uci\nname: y\n")
    assert names("server.yml") == [("y", "uci")]
    assert names("server.yml", "x=other") == [("y", "uci"), ("x", "other")]
