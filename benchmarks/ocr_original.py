"""The original pipeline in one process: pages per second, and what it reads. Run with an interpreter that has it.

python benchmarks/ocr_original.py --seconds 6 PICTURE ...      # pip install rapidocr-paddle==1.4.5 paddlepaddle
python benchmarks/ocr_original.py --texts PICTURE ...
"""

import argparse
import json
import time
from pathlib import Path

from rapidocr_paddle import RapidOCR


def main() -> None:
    """Print one line of JSON."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("pictures", nargs="+", type=Path)
    flags.add_argument("--seconds", type=float, default=6.0)
    flags.add_argument("--texts", action="store_true", help="read each once and print what it says")
    said = flags.parse_args()
    ocr = RapidOCR()
    data = [picture.read_bytes() for picture in said.pictures]
    texts = [[line[1] for line in ocr(one)[0] or []] for one in data]  # the first round is warm-up, too
    if said.texts:
        print(json.dumps(texts))
        return
    times: list[float] = []
    started = time.perf_counter()
    while time.perf_counter() - started < said.seconds or len(times) % len(data):
        before = time.perf_counter()
        ocr(data[len(times) % len(data)])
        times.append(time.perf_counter() - before)
    times.sort()
    p50, p99 = (times[min(int(len(times) * share), len(times) - 1)] * 1000 for share in (0.5, 0.99))
    print(json.dumps({"rate": len(times) / sum(times), "p50_ms": p50, "p99_ms": p99}))


main()
