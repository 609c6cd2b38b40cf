"""uci_housing, the first model of every Paddle Serving tutorial: build it, convert it, check its answer.

    python convert/uci_housing.py

Writes serving_model/uci_housing and serving_client/uci_housing, which are small enough to be kept with the code.
price = x . w + b, with the weights that the tutorial's training gave; in Paddle's program form, which Paddle, OpenVINO
and paddle2onnx can all read. Input `x`, float32 (-1, 13); output `price` (in the model `fc_0.tmp_1`), float32 (-1, 1).
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_client.io import inference_model_to_serving
from paddle_serving_client.io.uci_housing import HOUSE, PRICE, build

ROOT = Path(__file__).resolve().parents[1]
NAME = "uci_housing"
TOLERANCE = 1e-5


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folders unless they are there and whole. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="gets serving_model/ and serving_client/")
    root = parser.parse_args(argv).root
    server, client = root / "serving_model" / NAME, root / "serving_client" / NAME
    try:
        if is_there(server, client):
            print(f"{NAME}: there already, and whole")
            return 0
        with tempfile.TemporaryDirectory(prefix="serving_") as folder:
            build(Path(folder))
            answer = check(Path(folder))
            inference_model_to_serving(folder, server, client, fetch_alias_names="price")
        print(f"{NAME}: {answer}; wrote {server} and {client}")
    except (ServingError, OSError) as exc:
        print(f"{NAME}: {exc}", file=sys.stderr)
        return 1
    return 0


def is_there(server: Path, client: Path) -> bool:
    """Whether an earlier run made both folders and nothing has changed since."""
    if not server.exists() or not (client / model_config.CLIENT_CONFIG).exists():
        return False
    try:
        return manifest.verify(server).is_verified
    except BadModel as exc:
        print(f"{NAME}: made again: {exc}")
        return False


def check(folder: Path) -> str:
    """Let Paddle answer for the tutorial's house; says what came.

    Raises:
        BadModel: it is not the tutorial's price.
    """
    try:
        from paddle.inference import Config, create_predictor
    except ImportError:
        return "not tried, since Paddle is not installed"
    config = Config(str(folder / "inference.pdmodel"), str(folder / "inference.pdiparams"))
    config.disable_glog_info()
    predictor = create_predictor(config)
    predictor.get_input_handle("x").copy_from_cpu(np.array([HOUSE], np.float32))
    predictor.run()
    price = float(predictor.get_output_handle("fc_0.tmp_1").copy_to_cpu()[0, 0])
    if not abs(price - PRICE) < TOLERANCE:
        raise BadModel(f"{folder}: the tutorial's house costs {price}; expected {PRICE}")
    return f"the tutorial's house costs {price:.6f}"


if __name__ == "__main__":
    sys.exit(main())
