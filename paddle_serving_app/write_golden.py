"""`python -m paddle_serving_app.write_golden FOLDER`: put a golden sample into a model folder, from a run of the model.

The model is run by the library that it was made for: Paddle without oneDNN, or ONNX Runtime. The inputs are made up, or
come from a file; where that has outputs as well, the run has to give them. `convert --golden` does this, too.
"""

import argparse
import contextlib
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from paddle_serving_app import decrypted, golden, model_files
from paddle_serving_app.backend import ModelOptions
from paddle_serving_app.golden import Golden
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Signature
from paddle_serving_client import manifest
from paddle_serving_client.encryption import read_key
from paddle_serving_client.errors import BadModel, ServingError
from paddle_serving_client.message import Lod

_ROWS = 4
_SEED = 20


def main(argv: Sequence[str] | None = None) -> int:
    """Write what the flags say.

    Returns:
        0, or 1 with one line on stderr where the model cannot be run, or answers otherwise than it must.
    """
    parser = argparse.ArgumentParser(prog="python -m paddle_serving_app.write_golden", description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of a served model")
    parser.add_argument("--inputs", type=Path, metavar="FILE", help="the inputs, as input.ALIAS in an .npz file")
    parser.add_argument("--key_file", type=Path, help="key of an encrypted model")
    args = parser.parse_args(argv)
    try:
        written = write(args.folder, args.inputs, None if args.key_file is None else read_key(args.key_file))
    except (ServingError, OSError) as exc:
        sys.stderr.write(f"write_golden: {' '.join(str(exc).split())}\n")
        return 1
    whose = "made-up inputs" if args.inputs is None else f"the inputs of {args.inputs}"
    sys.stdout.write(f"wrote {written.file}: {whose}, and {', '.join(written.outputs)} as the model gives them\n")
    return 0


def write(folder: Path, inputs: Path | None = None, key: bytes | None = None) -> Golden:
    """Put a golden sample into a model folder, and into its manifest; one that is there already is replaced.

    Args:
        folder: of the model.
        inputs: a golden sample, with or without outputs; None: the inputs are made up.
        key: of an encrypted model.

    Raises:
        BadModel: the model cannot be run, no made-up input fits it, or it does not give the outputs of the file.
        MissingLibrary: the library that it was made for is not installed.
        OSError: the folder cannot be written.
    """
    given = None if inputs is None else golden.read(inputs)
    listed = [name for name in manifest.listed(folder) if name != golden.NAME]
    if listed:
        manifest.write(folder, listed)
    (folder / golden.NAME).unlink(missing_ok=True)
    with decrypted.opened(folder, key) as readable:
        library = "onnxruntime" if model_files.paddle_program(readable) is None else "paddle"
    model = Model.load(folder, ModelOptions(backend=library, onednn=False), key=key)
    try:
        made = replace(_asked(model, given), file=folder / golden.NAME)
        if made.outputs:
            golden.check(made, model.signature, model.run, "fp32")
        else:
            arrays = golden.run_of(made, model.signature, model.run).arrays
            named = zip((output.alias for output in model.signature.outputs), arrays, strict=True)
            made = replace(made, outputs=dict(named))
    finally:
        model.close()
    _put(made)
    if listed:
        manifest.write(folder, [*listed, golden.NAME])
    return made


def _asked(model: Model, given: Golden | None) -> Golden:
    if given is not None:
        return given
    arranged = model.sample(_ROWS if model.signature.can_join else 1, _SEED)
    if arranged is None:
        raise BadModel("no made-up input fits the model; give one with a file of inputs")
    aliases = [spec.alias for spec in model.signature.inputs]
    inputs = dict(zip(aliases, arranged.arrays, strict=True))
    return Golden(Path(), inputs, {}, _named(model.signature, arranged.lods))


def _named(signature: Signature, lods: Mapping[int, Lod]) -> dict[str, Lod]:
    return {signature.inputs[k].alias: lod for k, lod in lods.items()}


def _put(made: Golden) -> None:
    """In one step, so that nobody loads half of it."""
    partial = made.file.with_name(f".{golden.NAME}.{secrets.token_hex(4)}.partial")
    try:
        golden.write(replace(made, file=partial))
        os.replace(partial, made.file)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
