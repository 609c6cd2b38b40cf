"""`paddle-serving page`: the page, which is a web application of its own and a client of a model server."""

import importlib.util
import sys
from collections.abc import Sequence
from typing import Final

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.showing import shipped

_NEEDED: Final = ("flask", "waitress", "urllib3")


def main(argv: Sequence[str]) -> int:
    """Run the page until it is stopped; returns the exit status."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        sys.stderr.write(f"error: {', '.join(missing)} not installed: pip install 'paddle-serving-next[page]'\n")
        return 2
    try:
        file = shipped.path("web_service/ui.py")
    except BadConfig as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 2
    spec = importlib.util.spec_from_file_location("paddle_serving_page", file)
    assert spec is not None
    assert spec.loader is not None
    page = sys.modules["paddle_serving_page"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(page)
    status: int = page.main(argv)
    return status
