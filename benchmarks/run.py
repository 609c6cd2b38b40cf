"""Measure a work: all systems in alternating rounds, medians, ratios, and the state of the machine beside them.

    .venv/bin/python benchmarks/run.py w1                  # or w1b w2 w2b w3 ocr start choice ceiling, or several
    .venv/bin/python benchmarks/run.py w3 --rounds 7 --seconds 10 --ours "" --ours "--fronts 2"

A round measures every case once, in the same order, so that a slow minute of the machine meets all of them. Compare
only figures of one run. Results go to benchmarks/results/, as JSON.
"""

import argparse
import contextlib
import difflib
import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

import machine
import prepare
import works
from systems import Figures
from works import NO_NETWORK, Case, Choice, Work

from paddle_serving_server.commands.load.request import Target, of_images
from paddle_serving_server.commands.load.served import HOST, serving

RESULTS = prepare.HERE / "results"


def main() -> int:
    """Measure what the command line says; 1 if a bar is not reached."""
    flags = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    flags.add_argument("works", nargs="+", choices=[*works.WORKS, "all"])
    flags.add_argument("--rounds", type=int, default=5)
    flags.add_argument("--seconds", type=float, default=6.0, help="of each measurement (default 6)")
    flags.add_argument(
        "--ours", action="append", metavar="FLAGS", help="flags for serve; repeatable, bars hold the first"
    )
    flags.add_argument("--only", nargs="+", metavar="SYSTEM", help="only systems whose name starts so")
    flags.add_argument("--rapidocr-python", default="", metavar="PYTHON", help="an interpreter with rapidocr-paddle")
    said = flags.parse_args()
    prepare.main()
    reached = True
    for name in list(works.WORKS) if "all" in said.works else said.works:
        ours = tuple(said.ours or works.FLAGS.get(name, ("",)))
        choice = Choice(ours=ours, rapidocr_python=said.rapidocr_python)
        work = _narrowed(works.WORKS[name](choice), said.only)
        reached &= _measure(name, work, said.rounds, said.seconds)
        if name == "ocr" and said.rapidocr_python:
            _compare_texts(said.rapidocr_python)
    return 0 if reached else 1


def _narrowed(work: Work, only: Sequence[str] | None) -> Work:
    if not only:
        return work
    rivals = {name: system for name, system in work.systems.items() if name.startswith(tuple(only))}
    return Work(work.title, rivals, [case for case in work.cases if case[0] in rivals], [], work.unit, work.stretch)


def _measure(name: str, work: Work, rounds: int, seconds: float) -> bool:
    seconds *= work.stretch
    before, ticks = machine.state(), machine.times()
    print(f"\n{work.title}\n{machine.described(before)}")
    print(f"{rounds} rounds of {seconds:g} s each", flush=True)
    measured: dict[Case, list[Figures]] = {case: [] for case in work.cases}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(system()) for name, system in work.systems.items()}
        for turn in range(rounds):
            for case in work.cases:
                _progress(f"round {turn + 1} of {rounds}: {_named(case)}")
                measured[case].append(running[case[0]](case[1], seconds))
    _progress("")
    medians = {case: Figures.median(figures) for case, figures in measured.items()}
    _print_table(work, medians, measured)
    reached = _print_bars(work, medians)
    used = machine.used_since(ticks)
    after = machine.state()["load_average"]
    print(
        f"processors {used['busy']:.0%} busy, {used['stolen']:.1%} taken away; load average afterwards {after}",
        flush=True,
    )
    _write(name, work, before | used | {"rounds": rounds, "seconds_each": seconds}, measured, medians)
    return reached


def _print_table(work: Work, medians: Mapping[Case, Figures], measured: Mapping[Case, Sequence[Figures]]) -> None:
    width = max(len(_named(case)) for case in work.cases)
    print(
        f"{'':{width}}  {work.unit:>10}  {'lowest':>8}  {'highest':>8}  {'p50 ms':>8}  {'p99 ms':>8}  generator  errors"
    )
    for case in work.cases:
        rates, one = [figures.rate for figures in measured[case]], medians[case]
        load = f"{one.generator_cpu:>9.0%}" if case[1] else f"{'':9}"
        memory = f"  {one.memory_mb:.0f} MB" if one.memory_mb else ""
        print(
            f"{_named(case):{width}}  {_short(one.rate):>10}  {_short(min(rates)):>8}  {_short(max(rates)):>8}  "
            f"{_short(one.p50_ms):>8}  {_short(one.p99_ms):>8}  {load}  {one.failed:>6}{memory}"
        )


def _print_bars(work: Work, medians: Mapping[Case, Figures]) -> bool:
    for bar in work.bars:
        verdict = "reached" if bar.is_reached(medians) else "MISSED"
        limit = f"{'at least' if bar.is_least else 'at most'} {bar.limit:g}"
        print(f"  {verdict:8} {bar.text}: {bar.value(medians):.2f} {bar.unit} ({limit})")
    return all(bar.is_reached(medians) for bar in work.bars)


def _write(
    name: str,
    work: Work,
    about: Mapping[str, object],
    measured: Mapping[Case, Sequence[Figures]],
    medians: Mapping[Case, Figures],
) -> None:
    RESULTS.mkdir(exist_ok=True)
    cases = [
        {"system": c[0], "clients": c[1], "median": asdict(medians[c]), "rounds": [asdict(f) for f in measured[c]]}
        for c in work.cases
    ]
    bars = [
        {"text": b.text, "value": b.value(medians), "limit": b.limit, "reached": b.is_reached(medians)}
        for b in work.bars
    ]
    said = {"work": name, "title": work.title, "unit": work.unit, "machine": about, "cases": cases, "bars": bars}
    file = RESULTS / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}.json"
    file.write_text(json.dumps(said, indent=1) + "\n")
    print(f"written to {file.relative_to(prepare.ROOT)}")


def _compare_texts(python: str) -> None:
    """Whether both read the same."""
    files = works.ocr_pictures()
    command = [python, str(prepare.HERE / "ocr_original.py"), "--texts", *map(str, files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    with serving(["--service", str(prepare.ROOT / "web_service" / "ppocr.py")]) as port:
        ours = [_texts(port, file) for file in files]
    for file, mine, original in zip(files, ours, theirs, strict=True):
        alike = difflib.SequenceMatcher(None, mine, original).ratio()
        said = "the same texts" if mine == original else f"texts differ (alike to {alike:.0%})"
        print(f"  {file.stem:24} {len(mine):>3} lines  {said}")


def _texts(port: int, file: Path) -> list[str]:
    import http.client

    target = Target(HOST, port, "/ppocr/prediction")
    (request,) = of_images(target, [file]).requests
    connection = http.client.HTTPConnection(HOST, port)
    connection.connect()
    connection.sock.sendall(request)
    reply = http.client.HTTPResponse(connection.sock, method="POST")
    reply.begin()
    said = json.loads(reply.read())["result"]["texts"][0]
    connection.close()
    return [str(text) for text in said]


def _named(case: Case) -> str:
    name, clients = case
    return name if clients == NO_NETWORK else f"{name}, {clients} client{'s' * (clients > 1)}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{text}")
        sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
