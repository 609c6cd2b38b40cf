"""Writing a model encrypted: with which key, and under which names."""

import contextlib
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from paddle_serving_client import encryption
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.io.source import FIELDS, ModelFile, Source

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sealing:
    """How a model is to be encrypted."""

    key_file: Path
    key_bits: int = 128
    """Of a new key."""

    @contextlib.contextmanager
    def key(self) -> Iterator[bytes]:
        """The key of the file, or a new one, which is taken back where what it was for fails."""
        if os.path.lexists(self.key_file):
            yield encryption.read_key(self.key_file)
            return
        key = encryption.new_key(self.key_bits)
        encryption.write_key(self.key_file, key)
        logger.info("wrote a new key to %s", self.key_file)
        try:
            yield key
        except BaseException:
            self.key_file.unlink(missing_ok=True)
            raise

    def renamed(self, found: Source) -> list[ModelFile]:
        """The model's files, under the names that encrypted ones have.

        Raises:
            BadModel: there are more than those two names.
        """
        names = (encryption.MODEL, encryption.PARAMS)
        model, beside = [[f for f in found.files if (f.name == FIELDS) is is_beside] for is_beside in (False, True)]
        if found.kind == "TensorFlow SavedModel":
            raise BadModel(f"{found}: a SavedModel cannot be encrypted; export it to ONNX")
        if len(model) > len(names) or not found.kind.startswith("Paddle") and len(model) > 1:
            raise BadModel(f"{found}: its weights are in files of their own; such a model cannot be encrypted")
        sealed = [ModelFile(name, file.parts, file.content) for name, file in zip(names, model, strict=False)]
        return sealed + beside


def asked(encrypts: bool, key_bits: int, cipher: object, key_file: str | Path) -> Sealing | None:
    """What was asked for, or None where the model is to be written as it is.

    Raises:
        BadConfig: a cipher was asked for, or a length that no key has.
    """
    if not encrypts:
        return None
    if cipher is not None:
        raise BadConfig(f"encrypt_conf must be None, got {str(cipher)[:64]!r}: models are encrypted by AES-GCM")
    if key_bits not in encryption.KEY_BITS:
        raise BadConfig(f"key_len must be one of {', '.join(map(str, encryption.KEY_BITS))} bits, got {key_bits}")
    return Sealing(Path(key_file), key_bits)
