"""The files of a tokenizer as a text classifier needs them: always with a tokenizer.json."""

import json
import shutil
from pathlib import Path
from typing import Any, Final

from paddle_serving_app.text.text_encoding import MODEL_CONFIG, TOKENIZER, TOKENIZER_CONFIG, TextEncoder
from paddle_serving_client.errors import BadModel, MissingLibrary

_VOCABULARY: Final = "vocab.txt"
_MOST_BYTES: Final = 64 << 20


def write(source: Path, target: Path, model_config: Path | None) -> TextEncoder:
    """Write tokenizer.json and what says of its limits into a folder.

    Args:
        source: a folder with tokenizer.json, or such a file; or a folder that transformers makes one of.
        target: the folder, which is there.
        model_config: the config.json of the model, which says how many positions it has.

    Raises:
        BadModel: there is no tokenizer, or its files are damaged.
        MissingLibrary: transformers would be needed.
    """
    file = source / TOKENIZER if source.is_dir() else source
    if file.is_file():
        if file.stat().st_size > _MOST_BYTES:
            raise BadModel(f"{file}: larger than {_MOST_BYTES >> 20} MiB")
        shutil.copyfile(file, target / TOKENIZER)
        if (source / TOKENIZER_CONFIG).is_file():
            shutil.copyfile(source / TOKENIZER_CONFIG, target / TOKENIZER_CONFIG)
    else:
        _by_transformers(source, target)
    if model_config is not None and model_config.is_file():
        shutil.copyfile(model_config, target / MODEL_CONFIG)
    try:
        _refuse_contradictions(target)
        return TextEncoder(target)
    except (OSError, ValueError) as exc:
        raise BadModel(f"{source}: {exc}") from exc


def _by_transformers(folder: Path, target: Path) -> None:
    if not any((folder / name).exists() for name in (TOKENIZER_CONFIG, _VOCABULARY, MODEL_CONFIG)):
        raise BadModel(f"{folder} holds no tokenizer: expected {TOKENIZER}, or {TOKENIZER_CONFIG} and {_VOCABULARY}")
    try:
        import transformers
    except ImportError as exc:
        raise MissingLibrary(
            f"{folder} has no {TOKENIZER}, which only transformers can make: pip install transformers"
        ) from exc
    try:
        transformers.AutoTokenizer.from_pretrained(str(folder), local_files_only=True).save_pretrained(str(target))
    except Exception as exc:  # it raises what its tokenizers raise
        raise BadModel(f"{folder}: transformers cannot read the tokenizer: {exc}") from exc
    if not (target / TOKENIZER).is_file():
        raise BadModel(f"{folder}: transformers has no fast tokenizer for it, and so no {TOKENIZER}")


def _refuse_contradictions(folder: Path) -> None:
    """tokenizer_config.json may say other things of letters than tokenizer.json; libraries disagree on who counts."""
    config = folder / TOKENIZER_CONFIG
    if not config.is_file():
        return
    settings = json.loads(config.read_text(encoding="utf-8"))
    normalizer = json.loads((folder / TOKENIZER).read_text(encoding="utf-8")).get("normalizer")
    if not isinstance(settings, dict) or not isinstance(normalizer, dict) or normalizer.get("type") != "BertNormalizer":
        return
    own: Any = settings.get("do_lower_case")
    if own is not None and bool(own) is not bool(normalizer.get("lowercase")):
        raise ValueError(
            f"{TOKENIZER_CONFIG} says do_lower_case {own}, {TOKENIZER} lowercase {normalizer.get('lowercase')}; "
            "save the tokenizer anew with transformers"
        )
