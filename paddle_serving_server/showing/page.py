"""The page to try services on, as the server and the Flask application in front of one hand it out: the same files."""

import functools
import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from paddle_serving_server.showing import shipped

LANGUAGES: Final = ("en", "zh")
"""The first is for everybody whom no other one suits."""
MAX_PICTURE_BYTES: Final = 16 << 20
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What a browser may do with the page: run its own files, and ask its own address."""
_PLACE: Final = re.compile(r"\{\{ (?:t\['([\w.]+)'\]|(\w+)) \}\}")
_COOKIE: Final = re.compile(r"(?:^|;)\s*lang=(\w+)")


def static() -> Path:
    """The folder of the page's scripts, styles, sentences and samples.

    Raises:
        BadConfig: this installation does not have it.
    """
    return shipped.path("static")


@functools.cache
def files() -> Mapping[str, Path]:
    """Every file of that folder, by its path in there: js/main.js. What is not in here is never read."""
    folder = static()
    return {str(file.relative_to(folder)): file for file in sorted(folder.rglob("*")) if file.is_file()}


def render(language: str, *, server: str, route: str) -> str:
    """The page in a language.

    Args:
        language: one of `LANGUAGES`.
        server: the address of the model server, for the lines that visitors copy.
        route: how the page asks it: "direct", or "proxy" for an application in between.

    Raises:
        BadConfig: this installation does not have the page.
    """
    sentences = _sentences(language)
    values = {
        "language": language,
        "tag": "zh-CN" if language == "zh" else language,
        "server": server,
        "route": route,
        "max_picture_bytes": str(MAX_PICTURE_BYTES),
        "samples": " ".join(Path(name).name for name in files() if name.startswith("samples/")),
    }
    return _PLACE.sub(lambda at: html.escape(sentences[at[1]] if at[1] else values[at[2]]), _template())


def language(accepted: str, cookies: str) -> str:
    """The visitor's last choice, or what the browser prefers.

    Args:
        accepted: the header Accept-Language.
        cookies: the header Cookie.
    """
    chosen = _COOKIE.search(cookies)
    if chosen and chosen[1] in LANGUAGES:
        return chosen[1]
    wanted = [part.strip().lower().partition(";q=") for part in accepted.split(",")]
    ranked = sorted(((tag, _weight(q)) for tag, _, q in wanted), key=lambda row: -row[1])
    known = (tag.partition("-")[0] for tag, weight in ranked if weight > 0)
    return next((name for name in known if name in LANGUAGES), LANGUAGES[0])


def _weight(q: str) -> float:
    return float(q) if re.fullmatch(r"[01](\.\d{0,3})?", q) else 0.0 if q else 1.0


@functools.cache
def _template() -> str:
    return shipped.path("web_service/templates/page.html").read_text(encoding="utf-8")


@functools.cache
def _sentences(language: str) -> Mapping[str, str]:
    found: Mapping[str, str] = json.loads((static() / "strings" / f"{language}.json").read_bytes())
    return found
