"""Files beside the packages: the page, ready-made services, recipes. In a checkout they are folders of their own, in an
installation they lie inside this package."""

from pathlib import Path

from paddle_serving_client.errors import BadConfig

_PACKAGE = Path(__file__).resolve().parent.parent


def path(name: str) -> Path:
    """A file or folder of the project, such as `web_service/ui.py`.

    Raises:
        BadConfig: this installation does not have it.
    """
    for root in (_PACKAGE / "shipped", _PACKAGE.parent):
        if (root / name).exists():
            return root / name
    raise BadConfig(f"{name} is not in this installation")
