"""`paddle-serving predict`: ask a service once, or a model without a server, from a terminal.

paddle-serving predict -m model.onnx -d '{"age": 22, "gender": "F"}'
paddle-serving predict http://127.0.0.1:9393/uci x=0,0,0,0,0,0,0,0,0,0,0,0,0
paddle-serving predict 127.0.0.1:9393/ppocr image=@receipt.jpg
echo '{"feed": [{"x": [0]}]}' | paddle-serving predict 127.0.0.1:9393/uci --json -
"""

import argparse
import http.client
import json
import mimetypes
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlsplit

from paddle_serving_client.errors import BadInput, ServingError, Unreachable
from paddle_serving_server.commands import local_answer as local

_EXIT_REFUSED, _EXIT_USAGE, _EXIT_UNREACHABLE = 1, 2, 3
_JSON: Final = "application/json"


def main(argv: Sequence[str]) -> int:
    """Print the answer; the exit status is 1 if it is an error, 2 for wrong words, 3 where nobody answers."""
    fields = _parser().parse_args(argv)
    try:
        return _asked_of_model(fields) if fields.model is not None else _asked_of_service(fields)
    except Unreachable as exc:
        sys.stderr.write(f"error: {exc}\n")
        return _EXIT_UNREACHABLE
    except ServingError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return _EXIT_USAGE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="paddle-serving predict",
        description=str(__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("service", nargs="?", default="", help="HOST:PORT/NAME, or http://HOST:PORT/NAME; without it, --model")
    add("inputs", nargs="*", metavar="NAME=VALUE", help="JSON, or numbers with commas; @FILE sends a file")
    add("-m", "--model", metavar="PATH", help="answer here, by this model, in any layout; no server is asked")
    add("-d", "--datapoint", metavar="JSON", help="one instance by its names, or a list of them; @FILE, or - for stdin")
    add("--json", metavar="FILE", help='the whole body, as {"feed": [{...}]}; - reads it from here')
    add("--fetch", default="", metavar="A,B", help="the outputs wanted (default: all)")
    add(
        "--backend",
        default="",
        help="with --model: the library (default: what measured fastest, or the first that can)",
    )
    add("--timeout_s", type=float, default=60.0, help="with a service (default 60)")
    return parser


def _asked_of_service(fields: argparse.Namespace) -> int:
    if not fields.service:
        raise BadInput("who is to be asked? HOST:PORT/NAME, or --model PATH")
    status, answer = _asked(fields.service, *_body(fields), fields.timeout_s)
    is_good = status == http.client.OK
    (sys.stdout if is_good else sys.stderr).write(answer.rstrip("\n") + "\n")
    return 0 if is_good else _EXIT_REFUSED


def _asked_of_model(fields: argparse.Namespace) -> int:
    """Load a model in this process and answer as a server would."""
    if fields.service:  # every word is an input, then
        fields.inputs, fields.service = [fields.service, *fields.inputs], ""
    raw, kind, _ = _body(fields)
    if kind != _JSON:
        raise BadInput("a model takes values by name; a file is sent to a service")
    body = local.parsed(raw, "what is to be predicted")
    fetch = [name for name in fields.fetch.split(",") if name] or local.fetched(body)
    model = local.loaded(fields.model, fields.backend)
    try:
        sys.stdout.write(f"{local.answer(model, local.instances(body), fetch)}\n")
        return 0
    except ServingError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return _EXIT_REFUSED
    finally:
        model.close()


def _body(fields: argparse.Namespace) -> tuple[bytes, str, str]:
    """What is sent, its Content-Type, and the query."""
    fetch = [name for name in fields.fetch.split(",") if name]
    query = f"?fetch={quote(','.join(fetch))}" if fetch else ""
    if fields.datapoint is not None:
        if fields.inputs or fields.json is not None:
            raise BadInput("--datapoint is all that is asked; leave the inputs and --json out")
        return _datapoint(fields.datapoint, fetch), _JSON, ""
    if fields.json is not None:
        if fields.inputs:
            raise BadInput("--json is the whole body; leave the inputs out")
        return (sys.stdin.buffer.read() if fields.json == "-" else _read(fields.json)), _JSON, ""
    instance: dict[str, Any] = {}
    for word in fields.inputs:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadInput(f"an input is NAME=VALUE, got {word!r}")
        if value.startswith("@"):
            if len(fields.inputs) > 1:
                raise BadInput(f"a file is sent alone, got {len(fields.inputs)} inputs")
            kind = mimetypes.guess_type(value)[0] or "application/octet-stream"
            return _read(value[1:]), kind, query
        instance[name] = _value(value)
    if not instance:
        raise BadInput("what is to be asked? NAME=VALUE, NAME=@FILE, --datapoint JSON or --json FILE")
    return json.dumps({"feed": [instance], "fetch": fetch}).encode(), _JSON, ""


def _datapoint(text: str, fetch: Sequence[str]) -> bytes:
    """A body with one instance, or some."""
    raw = sys.stdin.buffer.read() if text == "-" else _read(text[1:]) if text.startswith("@") else text.encode()
    found = local.parsed(raw, "--datapoint")
    feed = found if isinstance(found, list) else [found]
    if not feed or not all(isinstance(item, dict) for item in feed):
        raise BadInput(f"--datapoint must be an object with names, or a list of such; got {text[:64]!r}")
    return json.dumps({"feed": feed, "fetch": fetch}).encode()


def _value(text: str) -> object:
    """JSON where it is some, else numbers with commas between them, else the text."""
    for candidate in (text, f"[{text}]"):
        try:
            return json.loads(candidate, parse_constant=_no_number)
        except ValueError:
            continue
    return text


def _no_number(said: str) -> object:
    raise ValueError(f"{said} is not JSON")


def _read(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as exc:
        raise BadInput(f"{file} cannot be read: {exc.strerror}") from exc


def _asked(service: str, body: bytes, kind: str, query: str, timeout_s: float) -> tuple[int, str]:
    parts = urlsplit(service if "://" in service else f"http://{service}")
    name = parts.path.strip("/").removesuffix("/prediction")
    try:
        port = parts.port or http.client.HTTP_PORT
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or not name or "/" in name:
        raise BadInput(f"a service is HOST:PORT/NAME, as 127.0.0.1:9393/uci; got {service!r}")
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)
    try:
        connection.request("POST", f"/{quote(name)}/prediction{query}", body, {"Content-Type": kind})
        response = connection.getresponse()
        return response.status, response.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as exc:
        raise Unreachable(f"no answer from {parts.netloc}: {exc}") from exc
    finally:
        connection.close()
