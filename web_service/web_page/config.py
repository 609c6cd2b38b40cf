"""What the page is told: where its model server is."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from paddle_serving_client.errors import BadConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PageConfig:
    """Where the model server is."""

    server: str = "http://127.0.0.1:9393"
    """Its address as this process reaches it."""
    public_server: str = ""
    """Its address as visitors reach it, for the lines they copy; empty means `server`."""
    timeout_s: float = 60.0
    """Longest wait for one answer."""
    hosts: tuple[str, ...] = ()
    """Names that visitors may have for this page, beside addresses and the names of this machine."""

    def __post_init__(self) -> None:
        for url in filter(None, (self.server, self.public_server)):
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise BadConfig(f"server must look like http://127.0.0.1:9393, got {url!r}")
        if self.timeout_s <= 0:
            raise BadConfig(f"timeout_s must be above 0, got {self.timeout_s}")
