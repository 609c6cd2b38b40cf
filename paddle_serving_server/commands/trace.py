"""Record what a running server does, for Perfetto.

    python -m paddle_serving_server.trace http://127.0.0.1:9393 --seconds 5 -o trace.json

Open the file at https://ui.perfetto.dev or chrome://tracing: nothing of it leaves the browser.
"""

import argparse
import http.client
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig, BadPacket, ServingError, Unreachable
from paddle_serving_server.config import tokens
from paddle_serving_server.counting.recording import MAX_S

_PATIENCE_S = 60.0
"""How long the server may take, beyond the recording itself."""


def record(url: str, seconds: float, token: str = "") -> bytes:
    """Have a server record; blocks for as long.

    Args:
        url: of the server.
        seconds: how long.
        token: of those who may manage it, where it has one.

    Raises:
        BadConfig: the address is none, or the server does not record for this caller; the text says why.
        Unreachable: nobody answers there.
        BadPacket: who answers there is no server of this kind.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise BadConfig(f"the server must look like http://127.0.0.1:9393, got {url!r}")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=seconds + _PATIENCE_S)
    try:
        connection.request("POST", f"/trace?seconds={seconds:g}", headers=tokens.header(token))
        reply = connection.getresponse()
        body = reply.read()
    except (OSError, http.client.HTTPException) as exc:
        raise Unreachable(f"no model server at {url}: {exc}") from exc
    finally:
        connection.close()
    try:
        whole = json.loads(body)
        if reply.status == 200 and "traceEvents" in whole:
            return body
        reason = str(whole["err_msg"])
    except (ValueError, LookupError, TypeError) as exc:
        raise BadPacket(f"{url} answered {reply.status} and no trace; is it a server of this version?") from exc
    raise BadConfig(f"the server answered {reply.status}: {reason}")


def main(argv: Sequence[str] | None = None) -> int:
    """Record into a file, and say what is in it."""
    parser = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_server.trace"), description=__doc__.split("\n")[0]
    )
    parser.add_argument("url", help="of the server: http://127.0.0.1:9393")
    parser.add_argument("--seconds", type=float, default=5.0, help=f"how long, up to {MAX_S:g} (default 5)")
    parser.add_argument("-o", "--output", default="trace.json", help="the file (default trace.json)")
    parser.add_argument("--manage_token_file", metavar="FILE", help="the server's, if it has one")
    arguments = parser.parse_args(argv)
    try:
        trace = record(
            arguments.url,
            arguments.seconds,
            tokens.read(arguments.manage_token_file) if arguments.manage_token_file else "",
        )
        Path(arguments.output).write_bytes(trace)
    except (ServingError, OSError) as exc:
        print(exc, file=sys.stderr)  # noqa: T201  # this is a command: it talks to its user
        return 1
    whole = json.loads(trace)
    about = whole["otherData"]
    requests = sum(event.get("cat") == "request" for event in whole["traceEvents"])
    print(f"{arguments.output}: {requests} requests in {about['seconds']:g} s")  # noqa: T201
    if about["dropped"]:
        print(f"{about['dropped']} spans are not in it: they were more than fit; record for a shorter time")  # noqa: T201
    if about["fronts_missing"]:
        print(f"{about['fronts_missing']} of {about['fronts']} fronts did not answer; their requests are not in it")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
