"""`python -m paddle_serving_app.model_archiver`: put a model and its handler into one archive, as TorchServe takes it.

python -m paddle_serving_app.model_archiver --model-name m --version 1.0 --handler handler.py --serialized-file m.onnx

All flags are those of `torch-model-archiver`.
"""

import argparse
import sys
from collections.abc import Sequence

from paddle_serving_app.mar import manifest, write
from paddle_serving_app.mar.write import ModelArchiverConfig, generate_model_archive
from paddle_serving_client import program
from paddle_serving_client.errors import ServingError

__all__ = ["ModelArchiverConfig", "generate_model_archive", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Write the archive; 0, or 1 with one line on stderr. Wrong flags exit with 2."""
    args = _parser().parse_args(argv)
    try:
        made = generate_model_archive(ModelArchiverConfig(**vars(args)))
    except (ServingError, OSError) as exc:
        sys.stderr.write(f"model_archiver: {' '.join(str(exc).split())}\n")
        return 1
    sys.stdout.write(f"wrote {made}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_app.model_archiver"),
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    built_in = ", ".join(manifest.BUILT_IN)
    add("--model-name", required=True, help="of the model; the archive is NAME.mar")
    add("-v", "--version", required=True, help="of the model")
    add("--serialized-file", help="weights or program: .pt, .pth, .onnx")
    add("--model-file", help="Python file with the class of the model, for weights alone")
    add("--handler", required=True, help=f"Python file, FILE:FUNCTION, or one of {built_in}")
    add("--extra-files", help="files, folders and patterns with commas between; what is in a folder lies at the top")
    add("--runtime", default="python", choices=manifest.RUNTIMES, help="(default: python)")
    add("--export-path", default=".", help="folder for the archive (default: here)")
    add("--archive-format", default="default", choices=write.FORMATS, help="(default: a compressed .mar)")
    add("-f", "--force", action="store_true", help="replace an archive of that name")
    add("-r", "--requirements-file", help="requirements.txt of the model")
    add("-c", "--config-file", help="model-config.yaml of the model")
    return parser


if __name__ == "__main__":
    sys.exit(main())
