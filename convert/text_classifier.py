"""A text classifier of transformers as a model repository for tritonserver: texts in, labels and scores out.

    python convert/text_classifier.py MODEL TOKENIZER ID2LABEL [NAME] [--repository DIR] [--max_batch_size N]

MODEL, TOKENIZER and ID2LABEL come from wherever each lies: a path, or local:PATH, hf:USER/NAME, clearml:ID. The model
is an ONNX file, a folder with one, or a checkpoint of transformers, which is exported by torch then. Writes the models
text_preprocessing, model_onnx, post_processing and NAME, which runs them one after the other. `--clean` removes them.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_app.text_classifier import class_names, export, repository, source, tokenizer_files
from paddle_serving_client.errors import ServingError

ROOT = Path(__file__).resolve().parents[1] / "model_repository"


def main(argv: Sequence[str] | None = None) -> int:
    """Write the repository. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", nargs="?", help="an ONNX file, a folder with one, or a checkpoint")
    parser.add_argument("tokenizer", nargs="?", help="a folder with tokenizer.json or vocab.txt")
    parser.add_argument("id2label", nargs="?", help="a file with the names of the classes, or a folder with one")
    parser.add_argument("name", nargs="?", default=repository.NAME, help=f"of the whole (default {repository.NAME})")
    parser.add_argument("--repository", type=Path, default=ROOT, metavar="DIR", help="default: model_repository here")
    parser.add_argument("--max_batch_size", type=int, default=repository.MAX_BATCH_SIZE, metavar="N")
    parser.add_argument("--clean", action="store_true", help="remove what was written, and do nothing else")
    given = parser.parse_args(argv)
    if given.clean:
        return _clean(given.repository, given.name)
    if given.id2label is None:
        parser.error("MODEL, TOKENIZER and ID2LABEL are needed")
    if given.max_batch_size < 1:
        parser.error(f"--max_batch_size must be at least 1, got {given.max_batch_size}")
    try:
        with tempfile.TemporaryDirectory(prefix="serving_") as scratch:
            model = export.onnx_of(source.fetched(given.model, export.PATTERNS), Path(scratch))
            tokenizer = source.fetched(given.tokenizer, tokenizer_files.PATTERNS)
            names = source.fetched(given.id2label, class_names.PATTERNS)
            repository.write(given.repository, model, tokenizer, names, given.name, given.max_batch_size)
    except (ServingError, OSError) as exc:
        print(f"text_classifier: {exc}", file=sys.stderr)
        return 1
    print(
        f"wrote {given.repository}; python -m paddle_serving_server.tritonserver --model-repository={given.repository}"
    )
    return 0


def _clean(root: Path, name: str) -> int:
    for model in (*repository.STEPS, name):
        if (root / model / "config.pbtxt").is_file():
            shutil.rmtree(root / model)
    return 0


if __name__ == "__main__":
    sys.exit(main())
