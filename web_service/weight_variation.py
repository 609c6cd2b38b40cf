"""Change of weight, from ten values of a person: one answer of a model in ONNX, from PyTorch or from TensorFlow.

python web_service/weight_variation.py --models FOLDER -p true -d '{"age": 22, "gender": "F", ...}'

No server is needed. `paddle-serving serve FOLDER/barcamp2024-model-pytorch.onnx` makes a web API of the same file; the
names are those of `fields.yml` beside it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_server.commands import predict

_MODELS = {"pytorch": "barcamp2024-model-pytorch.onnx", "tensorflow": "barcamp2024-model-tensorflow.onnx"}
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the answer; see `predict.main` for the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("-d", "--datapoint", required=True, metavar="JSON", help="the values by their names")
    add("-p", "--pytorch", type=_truth, default=False, metavar="true", help=f"ask {_MODELS['pytorch']}")
    add("-t", "--tensorflow", type=_truth, default=False, metavar="true", help=f"ask {_MODELS['tensorflow']}")
    add("--models", type=Path, default=Path(), metavar="FOLDER", help="where these and fields.yml are (default: here)")
    args = parser.parse_args(argv)
    wanted = [name for name in _MODELS if getattr(args, name)]
    if len(wanted) != 1:
        parser.error("say which model: either --pytorch true or --tensorflow true")
    return predict.main(["--model", str(args.models / _MODELS[wanted[0]]), "--datapoint", args.datapoint])


def _truth(text: str) -> bool:
    if text.lower() in (*_TRUE, *_FALSE):
        return text.lower() in _TRUE
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


if __name__ == "__main__":
    sys.exit(main())
