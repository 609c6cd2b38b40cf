"""A tokenizer of transformers, as files: tokenizer.json as it is, or made of an older vocab.txt; and its limits."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from paddle_serving_client.errors import BadModel, MissingLibrary

PATTERNS: Final = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt", "config.json")
TOKENIZER, LIMITS = "tokenizer.json", "limits.json"
_VOCABULARY: Final = "vocab.txt"
_UNLIMITED: Final = 1_000_000
"""Larger ones say in `tokenizer_config.json` that nothing is known of the length."""
_USUAL_LENGTH: Final = 512
_MAX_BYTES: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """What a tokenizer does with texts of different lengths."""

    max_length: int
    """Tokens of one text; the rest is cut off."""
    pad_id: int
    pad_token: str


def installed() -> Any:
    """The package tokenizers.

    Raises:
        MissingLibrary: it is not installed.
    """
    try:
        import tokenizers
    except ImportError as exc:
        raise MissingLibrary("texts need the package tokenizers; pip install tokenizers") from exc
    return tokenizers


def opened(folder: Path) -> tuple[Any, Limits]:
    """A tokenizer (`tokenizers.Tokenizer`) that neither cuts nor pads yet, and how far it should.

    Raises:
        BadModel: there is none, or it is damaged. MissingLibrary: tokenizers is not installed.
    """
    library = installed()
    about = _json(folder / "tokenizer_config.json")
    try:
        if (folder / TOKENIZER).is_file():
            tokenizer = library.Tokenizer.from_file(str(folder / TOKENIZER))
        elif (folder / _VOCABULARY).is_file():
            tokenizer = _of_vocabulary(library, folder / _VOCABULARY, about)
        else:
            raise BadModel(f"{folder}: there is no tokenizer: neither {TOKENIZER} nor {_VOCABULARY}")
    except BadModel:
        raise
    except Exception as exc:  # the library has no errors of its own
        raise BadModel(f"{folder}: the tokenizer cannot be read: {exc}") from exc
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer, _limits(folder, tokenizer, about)


def write(folder: Path, into: Path) -> None:
    """Write the two files of a tokenizer that the steps read.

    Raises:
        BadModel, MissingLibrary: see `opened`.
    """
    tokenizer, limits = opened(folder)
    into.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(into / TOKENIZER))
    (into / LIMITS).write_text(json.dumps(asdict(limits)), encoding="utf-8")


def _of_vocabulary(library: Any, path: Path, about: Mapping[str, Any]) -> Any:
    """As BertTokenizer reads a vocabulary."""
    lowers = bool(about.get("do_lower_case", True))
    return library.BertWordPieceTokenizer(
        str(path),
        unk_token=_text(about.get("unk_token"), "[UNK]"),
        sep_token=_text(about.get("sep_token"), "[SEP]"),
        cls_token=_text(about.get("cls_token"), "[CLS]"),
        pad_token=_text(about.get("pad_token"), "[PAD]"),
        mask_token=_text(about.get("mask_token"), "[MASK]"),
        handle_chinese_chars=bool(about.get("tokenize_chinese_chars", True)),
        strip_accents=about.get("strip_accents"),
        lowercase=lowers,
    )._tokenizer


def _limits(folder: Path, tokenizer: Any, about: Mapping[str, Any]) -> Limits:
    config = _json(folder / "config.json")
    told = (about.get("model_max_length"), config.get("max_position_embeddings"))
    known = [int(length) for length in told if isinstance(length, int | float) and 0 < length < _UNLIMITED]
    length = min(known) if known else _USUAL_LENGTH
    if config.get("model_type") in ("roberta", "xlm-roberta", "camembert") and "max_position_embeddings" in config:
        length = min(length, int(config["max_position_embeddings"]) - 2)  # their positions begin behind the padding
    pad = _text(about.get("pad_token"), "[PAD]")
    number = tokenizer.token_to_id(pad)
    return Limits(length, 0 if number is None else int(number), pad)


def _text(said: Any, usual: str) -> str:
    """A special token, which may be an object with its content."""
    content = said.get("content") if isinstance(said, Mapping) else said
    return content if isinstance(content, str) and content else usual


def _json(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadModel(f"{path}: {path.stat().st_size} bytes are too many; at most {_MAX_BYTES}")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as exc:
        raise BadModel(f"{path}: it cannot be read as JSON: {exc}") from exc
    if not isinstance(found, dict):
        raise BadModel(f"{path}: expected an object, got {type(found).__name__}")
    return found
