"""A text classifier as a Triton repository: tokens, model and labels, and the ensemble that callers ask.

    python convert/text_classifier.py --model hf:user/name --tokenizer local:tokenizer --id2label labels/id2label.json

Each part comes from its own source: `local:PATH` (or only PATH), `hf:USER/NAME`, `clearml:ID`. Tokenizer and labels are
those of the model where they are not given. An ONNX file is taken as it is; a checkpoint of transformers is exported
by torch (`pip install 'paddle-serving-next[convert-hf]'`).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

from paddle_serving_client.errors import MissingLibrary, ServingError


def main(argv: Sequence[str] | None = None) -> int:
    """Write the repository. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", required=True, help="an ONNX file, a folder with one, or a checkpoint")
    parser.add_argument("--tokenizer", help="default: that of the model")
    parser.add_argument("--id2label", help="default: that of the model")
    parser.add_argument("--name", default="ensemble_model", help="of the ensemble (default ensemble_model)")
    parser.add_argument("--max_batch_size", type=int, default=4, help="rows of one run (default 4)")
    parser.add_argument("--output", type=Path, default=Path("model_repository"), help="default model_repository")
    given = parser.parse_args(argv)
    try:
        try:
            from paddle_serving_app.text import repository, source
        except ImportError as exc:
            raise MissingLibrary("it needs tokenizers: pip install 'paddle-serving-next[text]'") from exc
        parts = repository.Parts(
            model=source.fetched(given.model),
            tokenizer=source.fetched(given.tokenizer or given.model),
            labels=source.fetched(given.id2label or given.model),
        )
        repository.write(parts, given.output, given.name, given.max_batch_size)
    except (ServingError, OSError) as exc:
        print(f"text_classifier: {exc}", file=sys.stderr)
        return 1
    serves = f"paddle-serving tritonserver --model-repository={given.output}"
    print(f"text_classifier: wrote {given.output}; serve it: {serves}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
