"""A model in a loop, run by one of our backends without a server: the choice against what could have been chosen.

python benchmarks/backend_loop.py MODEL_FOLDER '{"backend": "paddle", "onednn": false}' '[1, 3, 224, 224]' 6
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged

TUNE_S = 30.0
"""For the choice, where none was made on this machine before; of no use where a backend is named."""


def main() -> None:
    """Print one line of JSON."""
    folder, options, shape, seconds = sys.argv[1:]
    model = Model.load(Path(folder), ModelOptions(**json.loads(options)), tune_s=TUNE_S)
    (only,) = model.signature.inputs
    x = np.random.default_rng(1).standard_normal(json.loads(shape)).astype(np.float32)
    arranged: Arranged = model.signature.arrange({only.alias: x}, {})
    for _ in range(3):
        model.run(arranged)
    times = []
    until = time.perf_counter() + float(seconds)
    while (started := time.perf_counter()) < until:
        model.run(arranged)
        times.append(time.perf_counter() - started)
    p50, p99 = np.percentile(times, (50, 99)) * 1000
    print(json.dumps({"rate": len(times) / sum(times), "p50_ms": float(p50), "p99_ms": float(p99)}))


main()
