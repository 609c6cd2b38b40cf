"""The program: python -m paddle_serving_server.bench http://127.0.0.1:9393/uci/prediction --clients 8 --seconds 10"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig, ServingError, Unreachable
from paddle_serving_server.commands.load import display, generator, live, request, sweep
from paddle_serving_server.commands.load.amount import Load
from paddle_serving_server.commands.load.request import Payload, Target
from paddle_serving_server.config.torchserve import key_file

EXIT_GOOD, EXIT_ERRORS, EXIT_BAD_USE, EXIT_NO_ANSWER = 0, 1, 2, 3
_CLIENTS, _OPEN_CLIENTS = 8, 100
_OF_SWEEPS = ("target_p99_ms", "model", "service", "config", "management")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Returns:
        0 answers, and no error; 1 some requests failed; 2 wrong flags, or files that cannot be sent; 3 nobody listens
        there, or no request was answered. A sweep: 0 a setting meets the target, 1 none does.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    words, serve_flags = (words[: (at := words.index("--"))], words[at + 1 :]) if "--" in words else (words, [])
    arguments = parser().parse_args(words)
    try:
        if arguments.sweep:
            return _sweep(arguments, serve_flags)
        return _measure(arguments, serve_flags)
    except Unreachable as exc:
        sys.stderr.write(f"bench: {exc}\n")
        return EXIT_NO_ANSWER
    except ServingError as exc:
        sys.stderr.write(f"bench: {exc}\n")
        return EXIT_BAD_USE


def parser() -> argparse.ArgumentParser:
    """The flags of `python -m paddle_serving_server.bench`."""
    flags = argparse.ArgumentParser(
        prog=program.name("python -m paddle_serving_server.bench"),
        description="Put load on a server and say how fast it answers; or find its best settings with --sweep.",
        epilog="In a sweep, everything behind -- is handed to the server.",
    )
    add = flags.add_argument
    add("url", nargs="?", help="http://HOST:PORT/NAME/prediction; in a sweep only /NAME/prediction, or nothing")
    what = flags.add_mutually_exclusive_group()
    what.add_argument("--image", nargs="+", type=Path, metavar="FILE", help="send pictures, one after the other")
    what.add_argument("--json", nargs="+", type=Path, metavar="FILE", help="send JSON bodies, one after the other")
    what.add_argument("--brpc", nargs="?", const="", metavar="FILE", help="send tensors over RPC, made up or from JSON")
    add("--field", default="", metavar="NAME", help="send pictures as the file NAME of a form")
    add("--header", action="append", default=[], metavar="LINE", help="a header more, 'Name: value'; repeatable")
    add("--clients", type=int, help=f"connections (default {_CLIENTS}; {_OPEN_CLIENTS} with --rate)")
    add("--seconds", type=float, default=10.0, help="how long to measure (default 10)")
    add("--warmup_s", type=float, default=1.0, help="load before that (default 1)")
    add("--rate", type=float, help="requests a second, whatever the answers do; default: each client waits for its own")
    add("--arrivals", choices=("poisson", "even"), default="poisson", help="of --rate (default poisson)")
    add("--timeout_s", type=float, default=60.0, help="longest time for an answer (default 60)")
    add("--json_out", type=Path, metavar="FILE", help="write the figures there, too")
    add("--sweep", action="store_true", help="start a server with one setting after the other, and say which is best")
    add(
        "--management",
        metavar="URL",
        help="sweep: change a model of a server that runs, by TorchServe's management API",
    )
    add("--key_file", type=Path, metavar="FILE", help="the tokens of such a server: its key_file.json")
    add("--target_p99_ms", type=float, help="sweep: the latency that 99 of 100 answers must keep")
    add("--model", metavar="PATH", help="sweep: the model to serve")
    add("--service", metavar="FILE.py", help="sweep: the service file to host")
    add("--config", metavar="FILE.yml", help="sweep: the settings of the server, as `serve` takes them")
    add("--batch_infer_size", type=int, nargs="+", default=[1, 4, 8, 16, 32], help="sweep: batches to try")
    add("--batch_wait_ms", type=float, nargs="+", default=[0.0, 1.0, 3.0], help="sweep: delays to try")
    add("--fronts", type=int, nargs="+", default=[1, 2], help="sweep: numbers of fronts to try")
    return flags


def _measure(arguments: argparse.Namespace, rest: Sequence[str]) -> int:
    if rest:
        raise BadConfig("what stands behind -- is for the server of a --sweep")
    if arguments.url is None:
        raise BadConfig("say where to: http://HOST:PORT/NAME/prediction")
    for name in _OF_SWEEPS:
        if getattr(arguments, name) is not None:
            raise BadConfig(f"--{name} belongs to --sweep")
    load = _load(arguments)
    target = Target.parse(arguments.url)
    payload = payload_of(arguments, target)
    unit = "images" if arguments.image else "answers"
    out = display.Display(unit=unit)
    how = f"{load.rate:g} a second over at most {load.clients}" if load.rate else f"{load.clients}"
    out.say(f"{target}: {payload.what}; {how} connections, {load.seconds:g} s")
    result = generator.run(target, payload, load, out.second)
    out.say(display.summary(result, unit))
    if arguments.json_out:
        how_much = {"target": str(target), "what": payload.what, "clients": load.clients, "asked_rate": load.rate}
        _write(arguments.json_out, how_much | result.as_json())
    if not result.answers:
        return EXIT_NO_ANSWER
    return EXIT_ERRORS if result.errors else EXIT_GOOD


def _sweep(arguments: argparse.Namespace, serve_flags: Sequence[str]) -> int:
    if arguments.management:
        return _sweep_live(arguments, serve_flags)
    served = {"--model": arguments.model, "--service": arguments.service, "--config": arguments.config}
    flags = [word for flag, value in served.items() if value for word in (flag, value)]
    if not flags:
        raise BadConfig("--sweep starts the server itself: say --model PATH, --service FILE.py or --config FILE.yml")
    if arguments.url and not arguments.url.startswith("/"):
        raise BadConfig(f"--sweep starts the server itself: say only the path, /NAME/prediction, not {arguments.url}")
    if arguments.rate:
        raise BadConfig("--sweep finds the rate; --rate is for measuring a server that runs")
    plan = sweep.Plan(
        served=sweep.started((*flags, *serve_flags), arguments.url or ""),
        payload=lambda target: payload_of(arguments, target),
        load=_load(arguments),
        clients=(arguments.clients,) if arguments.clients else sweep.CLIENTS,
        batches=tuple(arguments.batch_infer_size),
        waits_ms=tuple(arguments.batch_wait_ms),
        fronts=tuple(arguments.fronts),
        target_p99_s=arguments.target_p99_ms / 1000 if arguments.target_p99_ms is not None else None,
    )
    return _swept(arguments, plan)[1]


def _sweep_live(arguments: argparse.Namespace, rest: Sequence[str]) -> int:
    """A model of a server that runs: it keeps the best setting, or gets back the one it had."""
    if rest or any(getattr(arguments, name) is not None for name in ("model", "service", "config", "rate")):
        raise BadConfig("--management is for a server that runs: --model, --service, --config, --rate and -- are not")
    if arguments.url is None:
        raise BadConfig("say where to: http://HOST:PORT/predictions/NAME")
    tokens = live.read_tokens(arguments.key_file)
    model = live.LiveModel(Target.parse(arguments.url), arguments.management, tokens)
    plan = sweep.Plan(
        served=lambda setting: model.changed(setting.batch, setting.wait_ms),
        payload=lambda target: payload_of(arguments, target),
        load=_load(arguments),
        clients=(arguments.clients,) if arguments.clients else sweep.CLIENTS,
        batches=tuple(arguments.batch_infer_size),
        waits_ms=tuple(arguments.batch_wait_ms),
        fronts=(1,),
        target_p99_s=arguments.target_p99_ms / 1000 if arguments.target_p99_ms is not None else None,
        words=lambda setting: f"batch_size={setting.batch} max_batch_delay={setting.wait_ms:g}",
    )
    keeps = model.before
    try:
        best, status = _swept(arguments, plan)
        keeps = keeps if best is None else (best.setting.batch, best.setting.wait_ms)
    finally:
        model.change(*keeps)
    sys.stdout.write(f"The model has batch_size={keeps[0]} max_batch_delay={keeps[1]:g} now\n")
    return status


def _swept(arguments: argparse.Namespace, plan: sweep.Plan) -> tuple[sweep.Tried | None, int]:
    """What is best, and the exit status."""
    _refuse_impossible(plan)
    out = display.Display()
    found = sweep.run(plan, out.say)
    out.say(sweep.advice(plan, found))
    if arguments.json_out:
        _write(arguments.json_out, sweep.as_json(plan, found))
    best = sweep.best(plan, found)
    return best, EXIT_GOOD if best else EXIT_ERRORS


def _refuse_impossible(plan: sweep.Plan) -> None:
    for name, values, least in (
        ("batch_infer_size", plan.batches, 1),
        ("batch_wait_ms", plan.waits_ms, 0),
        ("fronts", plan.fronts, 1),
    ):
        if min(values) < least:
            raise BadConfig(f"--{name} must be at least {least}, got {min(values):g}")
    if plan.target_p99_s is not None and plan.target_p99_s <= 0:
        raise BadConfig(f"--target_p99_ms must be more than 0, got {plan.target_p99_s * 1000:g}")


def payload_of(arguments: argparse.Namespace, target: Target) -> Payload:
    """What the flags say is to be sent."""
    if arguments.field and not arguments.image:
        raise BadConfig("--field belongs to --image")
    tokens = live.header_of(live.read_tokens(arguments.key_file), key_file.INFERENCE)
    headers = [*arguments.header, *(f"{name}: {value}" for name, value in tokens.items())]
    for header in headers:
        if ":" not in header or not header.isprintable() or not header.isascii():
            raise BadConfig(f"--header must be 'Name: value', got {header!r}")
    if arguments.image:
        return request.of_images(target, arguments.image, arguments.field, headers)
    if arguments.json:
        return request.of_json(target, arguments.json, headers)
    if arguments.brpc is not None:
        return request.of_tensors(target, Path(arguments.brpc) if arguments.brpc else None)
    return request.of_example(target, headers)


def _load(arguments: argparse.Namespace) -> Load:
    return Load(
        clients=arguments.clients if arguments.clients is not None else _OPEN_CLIENTS if arguments.rate else _CLIENTS,
        seconds=arguments.seconds,
        warmup_s=arguments.warmup_s,
        rate=arguments.rate,
        arrivals=arguments.arrivals,
        timeout_s=arguments.timeout_s,
    )


def _write(file: Path, result: dict[str, object]) -> None:
    try:
        file.write_text(json.dumps(result, indent=2) + "\n")
    except OSError as exc:
        raise BadConfig(f"--json_out {file}: {exc.strerror or exc}") from exc


if __name__ == "__main__":
    sys.exit(main())
