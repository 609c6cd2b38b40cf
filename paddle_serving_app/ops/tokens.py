"""Text to the word pieces of BERT: cleaned, cut at white space, punctuation and Chinese characters, and looked up.

Source: PaddlePaddle/Serving, paddle_serving_app/reader/tokenization.py; equal, but for characters that another version
of Unicode knows.
"""

import unicodedata
from collections.abc import Iterator, Mapping

from paddle_serving_client.errors import BadInput

MAX_WORD = 100
"""Characters; a longer word is unknown as a whole."""
UNKNOWN = "[UNK]"

_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
"""The blocks whose characters are words of their own; Hangul and kana are not among them."""
_MAX_CACHED = 1 << 16


class _Spaced(dict[int, str]):
    """For `str.translate`: control characters go, Chinese ones get a space on each side. Filled as characters come."""

    def __missing__(self, code: int) -> str:
        spaced = _spaced(code)
        if len(self) < _MAX_CACHED:  # a sender of all of Unicode must not fill the memory
            self[code] = spaced
        return spaced


def _spaced(code: int) -> str:
    char = chr(code)
    category = unicodedata.category(char)
    if char in "\t\n\r" or category == "Zs":
        return " "
    if code in (0, 0xFFFD) or category[0] == "C":
        return ""
    return f" {char} " if any(first <= code <= last for first, last in _CHINESE) else char


_SPACED = _Spaced()


def as_text(value: object, what: str) -> str:
    """Text that came as such or as UTF-8 bytes, of which those that are none are left out.

    Raises:
        BadInput: it is neither.
    """
    if isinstance(value, bytes):
        return value.decode("utf-8", "ignore")
    if not isinstance(value, str):
        raise BadInput(f"{what} must be text or its UTF-8 bytes, got {type(value).__name__}")
    return value


def basic_tokens(text: str) -> Iterator[str]:
    """Words, punctuation marks and Chinese characters, in lower case and without accents.

    Each is cut off when it is asked for: whoever needs the first few of a long text does not pay for all.
    """
    for word in text.translate(_SPACED).split():
        decomposed = unicodedata.normalize("NFD", word.lower())
        plain = "".join(char for char in decomposed if unicodedata.category(char) != "Mn")
        yield from "".join(f" {char} " if _is_punctuation(char) else char for char in plain).split()


def word_pieces(word: str, vocabulary: Mapping[str, int], longest: int = MAX_WORD) -> list[str]:
    """A word as the longest pieces that are in the vocabulary, from the left; all but the first begin with `##`.

    Args:
        word: of `basic_tokens`.
        vocabulary: token to number.
        longest: no piece of the vocabulary has more characters.

    Returns:
        `["[UNK]"]` where the pieces leave something over, and for a word of more than `MAX_WORD` characters.
    """
    if len(word) > MAX_WORD:
        return [UNKNOWN]
    pieces: list[str] = []
    start = 0
    while start < len(word):
        lead = "##" if start else ""
        ends = range(min(len(word), start + longest), start, -1)
        end = next((end for end in ends if lead + word[start:end] in vocabulary), None)
        if end is None:
            return [UNKNOWN]
        pieces.append(lead + word[start:end])
        start = end
    return pieces


def _is_punctuation(char: str) -> bool:
    # Of ASCII all that is no letter, digit or space: "$" and "^" are no punctuation to Unicode, but here.
    if char < "\x7f":
        return char >= "!" and not char.isalnum()
    return unicodedata.category(char)[0] == "P"
