"""`python -m paddle_serving_client.convert`: make the server's and the client's folder of a trained model."""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from io import TextIOWrapper

from paddle_serving_client import dtype, encryption, program
from paddle_serving_client.errors import ServingError
from paddle_serving_client.io import sealing
from paddle_serving_client.io.conversion import Conversion, convert
from paddle_serving_client.io.source import Names
from paddle_serving_client.model_config import Variable

_TRUE, _FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off", "")


def main(argv: Sequence[str] | None = None) -> int:
    """Convert as the flags say.

    Returns:
        0, or 1 with one line on stderr where the model cannot be converted, or cannot be run for `--golden`. Wrong
        flags exit with 2.
    """
    args = _parser().parse_args(argv)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that lacks a name's letters shows their numbers
    try:
        done = convert(
            args.dirname,
            args.serving_server,
            args.serving_client,
            Names(
                model=args.model_filename or None,
                params=args.params_filename or None,
                signature=args.signature_name or None,
            ),
            args.feed_alias_names,
            args.fetch_alias_names,
            show_proto=args.show_proto,
            sealed=sealing.asked(args.encryption, args.key_len, None, args.key_file),
        )
    except (ServingError, OSError) as exc:
        sys.stderr.write(f"convert: {' '.join(str(exc).split())}\n")
        return 1
    if args.show_proto:
        return 0
    sys.stdout.write(_report(done, args.serving_server, args.serving_client))
    if args.onnx_form and not args.encryption and done.source.kind.startswith("Paddle"):
        sys.stdout.write(f"{_add_onnx_form(args.serving_server)}\n")
    sys.stdout.flush()
    return 0 if args.golden is None else _write_golden(args)


def _write_golden(args: argparse.Namespace) -> int:
    """Have the model run by its own library, in a process of its own: this one needs no inference library."""
    command = [sys.executable, "-m", "paddle_serving_app.write_golden", args.serving_server]
    if args.golden:
        command += ["--inputs", args.golden]
    if args.encryption:
        command += ["--key_file", str(args.key_file)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL)
    if done.returncode < 0:
        sys.stderr.write(f"convert: no golden sample was written: the library ended by signal {-done.returncode}\n")
    return 1 if done.returncode else 0


def _add_onnx_form(server: str) -> str:
    """Have the ONNX form put beside the program; in a process of its own, since inference libraries run there."""
    command = [sys.executable, "-m", "paddle_serving_app.onnx_form", server]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    lines = done.stdout.decode(errors="replace").splitlines()
    if done.returncode or not lines:
        return f"no ONNX form beside it: the process that compares it ended with status {done.returncode}"
    return lines[-1]


def _report(done: Conversion, server: str, client: str) -> str:
    lines = [f"read {done.source}"]
    for kind, variables in (("feed ", done.spec.feeds), ("fetch", done.spec.fetches)):
        lines += [f"  {kind} {_line(var)}" for var in variables]
    lines += [f"  {note}" for note in done.source.notes]
    return "\n".join([*lines, f"wrote {server} and {client}", ""])


def _line(var: Variable) -> str:
    name = var.alias if var.alias == var.name else f"{var.alias} (in the model: {var.name})"
    return f"{name}: {dtype.name_of(var.elem_type)} {'LoD' if var.is_lod else list(var.shape)}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program.name("python -m paddle_serving_client.convert"), description=__doc__)
    add = parser.add_argument
    add(
        "--dirname",
        required=True,
        help="model saved for inference (Paddle 1, 2, 3, ONNX, SavedModel): its folder, or the file",
    )
    add("--serving_server", default="serving_server", help="folder for the server (default: %(default)s)")
    add("--serving_client", default="serving_client", help="folder for clients (default: %(default)s)")
    add("--model_filename", help="the program in --dirname, such as inference.json; default: find it")
    add("--params_filename", help="its parameters, such as inference.pdiparams; default: find them")
    add("--signature_name", help="of a TensorFlow SavedModel (default: serving_default, or the only one)")
    add("--show_proto", nargs="?", type=_truth, const=True, default=False, help="only print the config, write nothing")
    add("--feed_alias_names", help="names that callers use for the inputs, with commas between")
    add("--fetch_alias_names", help="names that callers use for the outputs, with commas between")
    add("--golden", nargs="?", const="", metavar="FILE", help="write golden.npz: a run of the model on FILE's inputs")
    add("--onnx_form", type=_truth, default=True, help="put the ONNX form beside a Paddle program (default: true)")
    add("--encryption", action="store_true", help="write the model encrypted")
    add("--key_file", default=encryption.KEY, help="its key; a new one is made where there is none (%(default)s)")
    add("--key_len", type=int, default=128, help="bits of a new key: 128, 192 or 256 (default: %(default)s)")
    return parser


def _truth(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


if __name__ == "__main__":
    sys.exit(main())
