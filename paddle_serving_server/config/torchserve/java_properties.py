"""Java's `.properties` files: one key and its value in a line, which a backslash at its end continues."""

import re
from collections.abc import Mapping
from typing import Final

from paddle_serving_client.errors import BadConfig

MAX_BYTES: Final = 1 << 20
_COMMENT: Final = ("#", "!")
_SPACE: Final = " \t\f"
_ESCAPE: Final = re.compile(r"\\(u([0-9A-Fa-f]{4})|(.)|$)", re.DOTALL)
_MEANINGS: Final = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}
_IN_KEYS: Final = " =:#!"
_KEY: Final = re.compile(r"((?:\\.|[^\\ \t\f=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)


def parse(text: str, where: str) -> dict[str, str]:
    r"""Keys and values; of a key that stands twice the last value counts, as Java has it.

    Raises:
        BadConfig: an escape is none (`\u12`); the message names the line.
    """
    found: dict[str, str] = {}
    for number, line in _lines(text):
        matched = _KEY.fullmatch(line)
        assert matched is not None  # it takes everything
        try:
            found[_plain(matched[1])] = _plain(matched[2]).strip()
        except ValueError as exc:
            raise BadConfig(f"{where}: line {number}: {exc}") from exc
    return found


def write(settings: Mapping[str, str]) -> str:
    """The text that `parse` makes these keys and values of."""
    return "".join(f"{_escaped(key, _IN_KEYS)}={_escaped(value, '')}\n" for key, value in settings.items())


def _escaped(text: str, more: str) -> str:
    written = text.replace("\\", "\\\\")
    for meaning, letter in (("n", "\n"), ("r", "\r"), ("t", "\t"), ("f", "\f")):
        written = written.replace(letter, f"\\{meaning}")
    for letter in more:
        written = written.replace(letter, f"\\{letter}")
    return f"\\{written}" if written.startswith(" ") else written


def _lines(text: str) -> list[tuple[int, str]]:
    """The lines with something in them, each whole, with the number of its first part."""
    found: list[tuple[int, str]] = []
    begun: tuple[int, str] | None = None
    for number, raw in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        line = raw.lstrip(_SPACE)
        if begun is None and (not line or line.startswith(_COMMENT)):
            continue
        number, before = begun if begun is not None else (number, "")
        if _is_continued(line):
            begun = number, before + line[:-1]
            continue
        found.append((number, before + line))
        begun = None
    if begun is not None:
        found.append(begun)
    return found


def _is_continued(line: str) -> bool:
    """Whether it ends with a backslash that is not escaped itself."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _plain(text: str) -> str:
    def meaning(matched: re.Match[str]) -> str:
        if matched[2]:
            return chr(int(matched[2], 16))
        if matched[1] == "u":
            raise ValueError(r"\u must be followed by four hexadecimal digits")
        return _MEANINGS.get(matched[1], matched[1])

    return _ESCAPE.sub(meaning, text)
