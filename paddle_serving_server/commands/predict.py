"""`paddle-serving predict`: ask a service once, from a terminal.

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

_EXIT_REFUSED, _EXIT_USAGE, _EXIT_UNREACHABLE = 1, 2, 3
_JSON: Final = "application/json"


def main(argv: Sequence[str]) -> int:
    """Print the answer; the exit status is 1 if it is an error, 2 for wrong words, 3 where nobody answers."""
    parser = argparse.ArgumentParser(
        prog="paddle-serving predict",
        description=str(__doc__),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("service", help="HOST:PORT/NAME, or http://HOST:PORT/NAME")
    parser.add_argument(
        "inputs", nargs="*", metavar="NAME=VALUE", help="JSON, or numbers with commas; @FILE sends a file"
    )
    parser.add_argument("--json", metavar="FILE", help='the whole body, as {"feed": [{...}]}; - reads it from here')
    parser.add_argument("--fetch", default="", metavar="A,B", help="the outputs wanted (default: all)")
    parser.add_argument("--timeout_s", type=float, default=60.0, help="(default 60)")
    arguments = parser.parse_args(argv)
    try:
        status, answer = _asked(arguments.service, *_body(arguments), arguments.timeout_s)
    except Unreachable as exc:
        sys.stderr.write(f"error: {exc}\n")
        return _EXIT_UNREACHABLE
    except ServingError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return _EXIT_USAGE
    is_good = status == http.client.OK
    (sys.stdout if is_good else sys.stderr).write(answer.rstrip("\n") + "\n")
    return 0 if is_good else _EXIT_REFUSED


def _body(arguments: argparse.Namespace) -> tuple[bytes, str, str]:
    """What is sent, its Content-Type, and the query."""
    fetch = [name for name in arguments.fetch.split(",") if name]
    query = f"?fetch={quote(','.join(fetch))}" if fetch else ""
    if arguments.json is not None:
        if arguments.inputs:
            raise BadInput("--json is the whole body; leave the inputs out")
        return (sys.stdin.buffer.read() if arguments.json == "-" else _read(arguments.json)), _JSON, ""
    instance: dict[str, Any] = {}
    for word in arguments.inputs:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise BadInput(f"an input is NAME=VALUE, got {word!r}")
        if value.startswith("@"):
            if len(arguments.inputs) > 1:
                raise BadInput(f"a file is sent alone, got {len(arguments.inputs)} inputs")
            kind = mimetypes.guess_type(value)[0] or "application/octet-stream"
            return _read(value[1:]), kind, query
        instance[name] = _value(value)
    if not instance:
        raise BadInput("what is to be asked? NAME=VALUE, NAME=@FILE or --json FILE")
    return json.dumps({"feed": [instance], "fetch": fetch}).encode(), _JSON, ""


def _value(text: str) -> object:
    """JSON where it is some, else numbers with commas between them, else the text."""
    for candidate in (text, f"[{text}]"):
        try:
            return json.loads(candidate, parse_constant=_no_number)
        except ValueError:
            continue
    return text


def _no_number(text: str) -> object:
    raise ValueError(f"{text} is not JSON")


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
