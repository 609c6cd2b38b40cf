"""The documents are right: what they say can be done is done here, and nothing that a user may say is left out."""

import argparse
import ast
import inspect
import re
import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from paddle_serving_app import backends, package, reader
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.local_predict import LocalPredictor
from paddle_serving_client import convert, io, plugins
from paddle_serving_client.client import Client
from paddle_serving_client.configured_client import ConfiguredClient
from paddle_serving_client.errors import ErrNo
from paddle_serving_client.httpclient import HttpClient
from paddle_serving_client.multilang import MultiLangClient
from paddle_serving_client.wire.brpc import RpcError
from paddle_serving_client.wire.proto import onnx_pb2
from paddle_serving_server.commands.monitor import __main__ as monitor
from paddle_serving_server.config import flags
from paddle_serving_server.protocols.brpc import codes
from paddle_serving_server.protocols.grpc import methods
from paddle_serving_server.protocols.http import refusal
from paddle_serving_server.services.web_service import WebService
from tests import models
from tests.house import documents
from tests.house.documents import LINK, Block, blocks_of, same_output, without_blocks
from tests.house.test_errors import CLASSES, ONLY_AT_THE_CALLER
from tests.house.test_imports import PACKAGES
from tests.house.test_words import project_files
from tests.serving import ROOT

DOCS = ROOT / "docs"
TESTED = ("bash", "python", "yaml")
_WORD = re.compile(r"(?:--)?\w+(?:-\w+)*")
_ROW = re.compile(r"^\| *`(?P<name>[\w-]+)[^`|]*`[^|]*\| *(?P<second>[^|]*?) *\|", re.MULTILINE)


def text_of(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def undocumented(names: Iterable[str], text: str) -> list[str]:
    """The names that do not stand as a word between backquotes."""
    words = {word for code in re.findall(r"`([^`\n]+)`", without_blocks(text)) for word in _WORD.findall(code)}
    return [name for name in names if name not in words]


def public(cls: type) -> list[str]:
    """The attributes that a user of a class may use, those of an instance and of our classes above it too."""
    ours = [base for base in cls.__mro__ if base.__module__ == cls.__module__ or "paddle_serving" in base.__module__]
    assigned = {
        node.attr
        for base in ours
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(base))))
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    said = {name for base in ours for name in vars(base)}
    return sorted(name for name in said | assigned if not name.startswith("_"))


# -- followed to the letter


@pytest.mark.parametrize("document", documents.FOLLOWED, ids=lambda path: path.name)
def test_whoever_follows_a_document_gets_what_it_says(document: Path, tmp_path: Path) -> None:
    if document in documents.READMES:  # "your own model"
        (tmp_path / "my_model").mkdir()
        for name in ("inference.pdmodel", "inference.pdiparams"):
            shutil.copy(ROOT / "serving_model" / "uci_housing" / name, tmp_path / "my_model")
        _write_onnx(tmp_path / "model.onnx")
    with documents.reader(tmp_path) as somebody:
        for block in blocks_of(document.read_text(encoding="utf-8")):
            if block.note:
                somebody.follow(block)


def _write_onnx(file: Path) -> None:
    """The house prices as a bare ONNX file, x float32[-1, 13] -> price float32[-1, 1]; not every Python has `onnx`."""
    graph = onnx_pb2.GraphProto(
        node=[onnx_pb2.NodeProto(input=[b"x", b"w", b"b"], output=[b"price"], op_type=b"Gemm")],
        initializer=[
            onnx_pb2.TensorProto(name=name, dims=dims, data_type=1, float_data=values)
            for name, dims, values in ((b"w", [13, 1], models.UCI_W.tolist()), (b"b", [1], models.UCI_B.tolist()))
        ],
    )
    for values, name, length in ((graph.input, b"x", 13), (graph.output, b"price", 1)):
        tensor = values.add(name=name).type.tensor_type
        tensor.elem_type = 1
        tensor.shape.dim.add()
        tensor.shape.dim.add(dim_value=length)
    ir_8_opset_17 = b"\x08\x08\x42\x02\x10\x11"
    file.write_bytes(ir_8_opset_17 + onnx_pb2.ModelProto(graph=graph).SerializeToString())


@pytest.mark.parametrize("document", documents.FOLLOWED, ids=lambda path: path.name)
def test_every_block_says_how_it_is_tested(document: Path) -> None:
    blocks = blocks_of(document.read_text(encoding="utf-8"))
    assert [block.line for block in blocks if block.language in TESTED and not block.note] == []


def test_both_readmes_have_the_same_blocks() -> None:
    english, chinese = ([b.code for b in blocks_of(path.read_text(encoding="utf-8"))] for path in documents.READMES)
    assert english == chinese


def test_both_readmes_have_the_same_links_and_headings() -> None:
    english, chinese = (without_blocks(path.read_text(encoding="utf-8")) for path in documents.READMES)
    assert LINK.findall(english)[1:] == LINK.findall(chinese)[1:]  # the first is to the other
    assert re.findall(r"^#+ ", english, re.MULTILINE) == re.findall(r"^#+ ", chinese, re.MULTILINE)


def test_blocks_are_found_as_a_reader_sees_them() -> None:
    text = "x\n\n<!-- test: run -->\n```bash\necho 1\n\n```\n- y\n  ```\n  z\n  ```\n"
    assert blocks_of(text) == [Block(4, "bash", "echo 1\n\n", "test: run"), Block(9, "", "z\n", "")]
    assert without_blocks(text) == "x\n\n<!-- test: run -->\n\n- y\n\n"


@pytest.mark.parametrize(
    ("said", "printed", "same"),
    [
        ('{"price": [[18.901151657104492]]}', '{"price": [[18.90116]]}\n', True),
        ('{"price": [[18.901151657104492]]}', '{"price": [[18.91]]}', False),
        ("two words", "two  words", True),
        ("two words", "two", False),
        ("from ... to", "from here\nor there to", True),
        ("(a|b)*", "a", False),
    ],
)
def test_an_output_is_compared_with_what_a_document_says(said: str, printed: str, same: bool) -> None:
    assert same_output(said, printed) is same


@pytest.mark.parametrize(
    ("note", "code"),
    [
        ("test: run", "exit 3\n"),
        ("test: run, exits 2", "exit 3\n"),
        ("test: run", "no_such_command\n"),
        ("test: run", "false | true\n"),
        ("test: serve 9393", "exit 0\n"),
        ("test: prints", "something\n"),
        ("test: runs", "true\n"),
    ],
)
def test_a_block_that_does_not_work_is_found(tmp_path: Path, note: str, code: str) -> None:
    with pytest.raises(AssertionError), documents.reader(tmp_path) as somebody:
        somebody.follow(Block(1, "bash", code, note))


# -- nothing left out


def flags_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    return [action for action in parser._actions if any(name.startswith("--") for name in action.option_strings)]


DOORS = [
    (flags.parser(), "serve.md"),
    (convert._parser(), "convert.md"),
    (monitor.parser(), "monitor.md"),
    (package.parser(), "package.md"),
]
"""The flags of commands, and where they are documented."""


def said_default(action: argparse.Action) -> str:
    value = action.default[0] if isinstance(action.default, list) and action.default else action.default
    if action.nargs == 0:
        return "off"
    return "–" if value in (None, "", []) else f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


@pytest.mark.parametrize(("parser", "page"), DOORS, ids=[page for _, page in DOORS])
def test_every_flag_is_in_a_table_with_its_default(parser: argparse.ArgumentParser, page: str) -> None:
    rows = {m["name"]: m["second"] for m in _ROW.finditer(text_of(page))}
    for action in flags_of(parser):
        flag = next(name for name in action.option_strings if name.startswith("--"))
        if flag == "--help":
            continue
        assert flag in rows, flag
        if action.dest not in flags.IGNORED and not action.required:
            assert rows[flag] == said_default(action), flag


@pytest.mark.parametrize(("parser", "page"), DOORS, ids=[page for _, page in DOORS])
def test_no_flag_is_in_a_table_that_is_not_there(parser: argparse.ArgumentParser, page: str) -> None:
    known = {name for action in parser._actions for name in action.option_strings}
    assert {m["name"] for m in _ROW.finditer(text_of(page)) if m["name"].startswith("--")} <= known


@pytest.mark.parametrize(("script", "page"), [("web_service/ui.py", "page.md"), ("scripts/demo.py", "page.md")])
def test_the_flags_of_the_page_are_documented(script: str, page: str) -> None:
    flags = re.findall(r'add_argument\("(--[\w-]+)"', (ROOT / script).read_text(encoding="utf-8"))
    assert flags
    assert undocumented(flags, text_of(page)) == []


def test_every_error_is_in_the_table_with_its_numbers() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", text_of("serve.md"), re.MULTILINE))
    for cls in CLASSES:
        said = [cell.strip() for cell in rows[cls.__name__].split("|")]
        code = next((code for known, code in codes.CODES if issubclass(cls, known)), RpcError.INTERNAL)
        status = refusal.response(cls("x")).status
        over_grpc = methods.refusal(cls("x")).status.name
        answered = ["–"] * 3 if cls in ONLY_AT_THE_CALLER else [str(int(status)), str(int(code)), over_grpc]
        assert said[:4] == [str(int(cls.err_no)), *answered], cls


def test_every_number_of_an_error_is_explained() -> None:
    numbers = set(re.findall(r"\b\d+\b", text_of("serve.md")))
    assert {str(int(number)) for number in ErrNo if number} <= numbers


def test_every_status_is_explained() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(str(refusal.__file__)).parent.glob("*.py"))
    statuses = {*re.findall(r"_Refused\((\d{3})", source), *(str(status) for _, status, _ in refusal._STATUS), "405"}
    explained = set(re.findall(r"^\| (\d{3}) \|", text_of("serve.md"), re.MULTILINE))
    assert statuses - explained == set()


def test_every_public_name_of_a_class_is_documented() -> None:
    clients = [(cls, "client.md") for cls in (ConfiguredClient, Client, HttpClient, MultiLangClient, LocalPredictor)]
    for cls, page in ((WebService, "web_service.md"), *clients):
        assert undocumented(public(cls), text_of(page)) == [], cls


def test_public_names_are_found() -> None:
    class Example:
        attribute = 1

        def method(self) -> None: ...

        def _private(self) -> None: ...

    assert public(Example) == ["attribute", "method"]
    assert {"port", "preprocess", "outputs"} <= set(public(WebService))


def test_every_reader_name_and_every_operation_has_a_line() -> None:
    lines = [m["name"] for m in _ROW.finditer(text_of("ops.md"))]
    assert [name for name in reader.__all__ if name not in lines] == []
    assert [name for name in lines if name not in reader.__all__ and not _is_operation(name)] == []


def _is_operation(name: str) -> bool:
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "paddle_serving_app" / "ops").glob("*.py"))
    return any(re.search(rf"^(?:class|def) {re.escape(name)}\b", source, re.MULTILINE) for source in sources)


def test_every_backend_and_every_option_is_documented() -> None:
    assert undocumented(plugins.names(backends), text_of("backends.md")) == []
    assert undocumented([field.name for field in fields(ModelOptions)], text_of("backends.md")) == []


def test_every_way_to_convert_is_documented() -> None:
    assert undocumented(io.__all__, text_of("convert.md")) == []
    for name in io.__all__:
        assert undocumented(inspect.signature(getattr(io, name)).parameters, text_of("convert.md")) == [], name


def test_every_module_or_its_folder_is_in_the_picture_of_the_house() -> None:
    picture = text_of("architecture.md")
    parts = {path.relative_to(ROOT).parts for path in project_files("--cached") if path.suffix == ".py"}
    names = {part[1] if len(part) == 2 else f"{part[1]}/" for part in parts if part[0] in PACKAGES} - {"__init__.py"}
    assert len(names) > 30
    assert {name for name in names if not re.search(rf"[ /]{re.escape(name)}", picture)} == set()


def test_the_picture_of_the_house_has_no_module_that_is_gone() -> None:
    (picture,) = (b.code for b in blocks_of(text_of("architecture.md")) if "message.py" in b.code)
    drawn = set(re.findall(r"\b(\w+\.py)\b", picture))
    there = {path.name for path in project_files("--cached", "--others")}
    assert drawn - there == {"NAME.py"}


def test_a_name_that_is_left_out_is_found() -> None:
    text = "`port` and `host(name=1)`, `hosts`, word\n```bash\nblock\n```"
    assert undocumented(["port", "host", "name", "hos", "word", "block"], text) == ["hos", "word", "block"]
