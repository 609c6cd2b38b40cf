"""Encrypted files: what was written comes back, and whatever else comes is refused in one way."""

import os
import stat
from pathlib import Path

import pytest

from paddle_serving_client import encryption
from paddle_serving_client.encryption import Role
from paddle_serving_client.errors import BadConfig, BadModel

KEY = bytes(range(16))
MODEL = b"m" * 16
HEAD_BYTES = 72
MIB = 1 << 20

OLD = bytes.fromhex("f5b9b703ea8fc4c0da9e90616e181605aff8f2980d583ad3f50e73829cfedf0e321592e2e0d1f9a9a6185cd60f96")
"""What the cipher of Paddle 3.3.1 made of b"xyz" * 10, with another key."""


def content_of(size: int) -> bytes:
    return bytes(k * 7 % 251 for k in range(251)) * (size // 251 + 1)


def written(folder: Path, content: bytes, role: Role = Role.PROGRAM, name: str = "e", model: bytes = MODEL) -> Path:
    plain = folder / f"{name}.plain"
    plain.write_bytes(content)
    encryption.write([plain], folder / name, KEY, role, model)
    return folder / name


def read(path: Path, key: bytes = KEY, role: Role = Role.PROGRAM, model: bytes | None = None) -> bytes:
    return b"".join(encryption.decrypted(path, key, role, model))


@pytest.mark.parametrize("size", [0, 1, 1000, MIB - 1, MIB, MIB + 1, 3 * MIB + 5])
def test_what_was_written_comes_back(tmp_path: Path, size: int) -> None:
    content = content_of(size)[:size]
    path = written(tmp_path, content)
    assert read(path) == content
    assert path.stat().st_size == HEAD_BYTES + size + 16 * -(-size // MIB)
    assert size < 100 or content[:64] not in path.read_bytes()


def test_parts_are_one_content(tmp_path: Path) -> None:
    parts = [tmp_path / name for name in "abc"]
    for part, size in zip(parts, (MIB - 3, 0, MIB + 7), strict=True):
        part.write_bytes(content_of(size)[:size])
    encryption.write(parts, tmp_path / "e", KEY, Role.PARAMS, MODEL)
    assert read(tmp_path / "e", role=Role.PARAMS) == b"".join(part.read_bytes() for part in parts)


def test_the_same_content_is_never_encrypted_alike(tmp_path: Path) -> None:
    one, other = (written(tmp_path, b"same" * 10, name=name).read_bytes() for name in ("one", "other"))
    assert one[HEAD_BYTES:] != other[HEAD_BYTES:]


def test_another_key_is_told_from_damage(tmp_path: Path) -> None:
    path = written(tmp_path, b"content")
    with pytest.raises(BadModel, match="e: the key does not open it"):
        read(path, key=bytes(16))
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(BadModel, match="e: damaged: chunk 0 was changed or moved"):
        read(path)


@pytest.mark.parametrize("at", [*range(0, HEAD_BYTES, 5), HEAD_BYTES - 1])
def test_every_byte_of_the_head_counts(tmp_path: Path, at: int) -> None:
    path = written(tmp_path, content_of(100)[:100])
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.write_bytes(raw)
    if at < 8:  # no longer the magic: taken for an old file, which nothing protects
        assert encryption.is_old(path) and read(path) != content_of(100)[:100]
    else:
        with pytest.raises(BadModel):
            read(path)


@pytest.mark.parametrize("keeps", [0, 8, HEAD_BYTES - 1, HEAD_BYTES, HEAD_BYTES + 10, 2 * MIB, -1])
def test_a_file_that_was_cut_short(tmp_path: Path, keeps: int) -> None:
    path = written(tmp_path, content_of(2 * MIB + 5)[: 2 * MIB + 5])
    path.write_bytes(path.read_bytes()[:keeps])
    with pytest.raises(BadModel, match="cut short|at least 16"):
        read(path)


def test_chunks_that_were_moved_added_or_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, content_of(3 * MIB)[: 3 * MIB])
    raw = path.read_bytes()
    sealed = MIB + 16
    head, chunks = raw[:HEAD_BYTES], [raw[k : k + sealed] for k in range(HEAD_BYTES, len(raw), sealed)]
    for order, words in (((1, 0, 2), "chunk 0"), ((0, 2, 1), "chunk 1"), ((0, 1), "cut short"), ((0, 1, 2, 2), "long")):
        path.write_bytes(head + b"".join(chunks[k] for k in order))
        with pytest.raises(BadModel, match=words):
            read(path)


def test_files_of_two_models_are_not_mixed(tmp_path: Path) -> None:
    params = written(tmp_path, b"weights", Role.PARAMS, "params", model=b"n" * 16)
    with pytest.raises(BadModel, match="belongs to another model"):
        read(params, role=Role.PARAMS, model=MODEL)
    with pytest.raises(BadModel, match="holds content of kind 2; expected 1, the program"):
        read(params)


def test_a_file_of_paddle_serving(tmp_path: Path) -> None:
    core = pytest.importorskip("paddle.base.core")
    path = tmp_path / "old"
    for content in (b"", b"x", content_of(MIB + 3)[: MIB + 3]):
        core.CipherFactory.create_cipher().encrypt_to_file(content, KEY, str(path))
        assert encryption.is_old(path)
        assert read(path) == content
    path.write_bytes(OLD[:15])
    with pytest.raises(BadModel, match="15 bytes; an encrypted file has at least 16"):
        read(path)


@pytest.mark.parametrize("bits", [128, 192, 256])
def test_a_key_lies_in_a_file_of_its_owner(tmp_path: Path, bits: int) -> None:
    key = encryption.new_key(bits)
    encryption.write_key(tmp_path / "key", key)
    assert encryption.read_key(tmp_path / "key") == key
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert encryption.key_from_text(encryption.key_to_text(key), "it") == key
    with pytest.raises(BadConfig, match="key cannot be written: File exists"):
        encryption.write_key(tmp_path / "key", key)


def test_what_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="the key file .*none cannot be read: No such file"):
        encryption.read_key(tmp_path / "none")
    for size, words in ((0, "0 bytes; a key has 16, 24, 32"), (17, "17 bytes"), (9999, "more than 32 bytes")):
        (tmp_path / "key").write_bytes(os.urandom(size))
        with pytest.raises(BadConfig, match=words):
            encryption.read_key(tmp_path / "key")
    for text in ("", "%%%", "AAAA", "ä"):
        with pytest.raises(BadConfig, match="^it: "):
            encryption.key_from_text(text, "it")
    with pytest.raises(BadConfig, match="128, 192, 256 bits, got 100"):
        encryption.new_key(100)


def test_a_key_is_in_no_text_about_it(tmp_path: Path) -> None:
    head = encryption.read_head(written(tmp_path, b"content"), KEY, Role.PROGRAM)
    assert head.chunk_key.hex() not in repr(head) and str(head.chunk_key) not in repr(head)
