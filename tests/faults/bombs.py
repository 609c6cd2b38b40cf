"""Pictures that are small to send and large to decode: refused at once, and nobody else waits for them."""

import io
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from tests.faults import processes
from tests.faults.figures import Figure, least, most
from tests.serving import HTTP, ROOT, Server, serve


def run(folder: Path, brief: bool) -> Iterator[Figure]:
    """Each bomb alone, then many at once beside somebody with an ordinary picture. Needs the models of ppocr."""
    with serve(folder, "--service", str(ROOT / "web_service/ppocr.py"), "--tune", "off", "--thread", "2") as server:
        small = _encoded(Image.new("RGB", (64, 48), "white"), "PNG")
        yield least("an ordinary picture", _post(server, small)[0] == 200, 1, "answers")
        before = processes.memory_mb(server)
        bombs = _bombs()
        for name, bomb in bombs.items():
            status, took_s = _post(server, bomb)
            yield least(f"{name} ({len(bomb) >> 10} KiB): answers 200 or 4xx", status < 500, 1, "answers")
            yield most(f"{name}: answered after", took_s, 3.0, "s")
        with ThreadPoolExecutor(8) as others:
            answers = [others.submit(_post, server, bomb) for bomb in bombs.values() for _ in range(2 if brief else 10)]
            own = [_post(server, small) for _ in range(5 if brief else 20)]
            statuses = [answer.result()[0] for answer in answers]
        yield most("bombs at once: statuses 500", statuses.count(500), 0, "answers")
        yield least("ordinary pictures beside them: answered well", sum(s == 200 for s, _ in own), len(own), "answers")
        yield most("ordinary pictures beside them: longest", max(s for _, s in own), 5.0, "s", is_rough=True)
        yield most("bombs: memory", processes.memory_mb(server) - before, 400.0, "MB more", is_rough=True)


def _bombs() -> dict[str, bytes]:
    large = Image.new("RGB", (4000, 3000), "white")
    small = _encoded(Image.new("RGB", (64, 48), "white"), "PNG")
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x01\x3f\x10"
    jpeg = _encoded(large, "JPEG", progressive=True)
    text = _chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(7_900_000), 9))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return {
        "a JPEG of 400 scans": jpeg[:-2] + scan * 400 + jpeg[-2:],
        "a JPEG of 1500 scans": jpeg[:-2] + scan * 1500 + jpeg[-2:],
        "a PNG with 300 packed texts": small[:33] + text * 300 + small[33:],
        "a PNG of 30000x30000": _encoded(Image.new("1", (30_000, 30_000)), "PNG"),
        "a PNG that is cut": _encoded(large, "PNG")[:-1000],
        "a GIF of 400 pictures": _encoded(
            Image.fromarray(noise), "GIF", save_all=True, append_images=[Image.new("RGB", (64, 64))] * 399
        ),
    }


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def _encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def _post(server: Server, picture: bytes) -> tuple[int, float]:
    started = time.perf_counter()
    headers = {"Content-Type": "application/octet-stream"}
    status = HTTP.request("POST", f"{server.url}/ppocr/prediction", picture, headers=headers).status
    return status, time.perf_counter() - started
