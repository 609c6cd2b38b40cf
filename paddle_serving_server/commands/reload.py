"""`serve reload --port P`: ask the server on this machine to load its models anew, and say what became of that."""

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from paddle_serving_client.errors import Unreachable
from paddle_serving_server.config import tokens

DEFAULT_PORT = 9393
_ANSWER_S = 10.0


def run(port: int | None, token: str = "") -> int:
    """Reload every service of the server on a port; returns the exit status: 1 where something was refused.

    Args:
        port: None is the usual one.
        token: of those who may change it, where it has one.

    Raises:
        Unreachable: no server of this project answers there.
    """
    port = DEFAULT_PORT if port is None else port
    status = 0
    services = _get(port)["services"]
    for service in [service for service in services if service.get("state") != "UNLOADED"]:
        for line, is_good in _reload(port, str(service["name"]), token):
            print(line)  # noqa: T201
            status |= not is_good
    return status


def _get(port: int) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/services")
        return json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise Unreachable(f"no server answers on port {port} of this machine: {exc}") from exc
    finally:
        connection.close()


def _reload(port: int, name: str, token: str) -> Iterator[tuple[str, bool]]:
    """A line for each model, and whether it is good news."""
    connection = http.client.HTTPConnection("127.0.0.1", port)  # a large model takes its time
    try:
        connection.request("POST", f"/services/{quote(name)}/reload", headers=tokens.header(token))
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as exc:
        raise Unreachable(f"the server on port {port} was lost while it loaded service {name!r}: {exc}") from exc
    finally:
        connection.close()
    if "models" not in answer:
        yield f"{name}: {answer.get('err_msg', answer)}", False
        return
    for model in answer["models"]:
        reason = f": {model['reason']}" if model["reason"] else ""
        yield f"{name} ({model['from']}): {model['state']}{reason}", model["state"] != "refused"
