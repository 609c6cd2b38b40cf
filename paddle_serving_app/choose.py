"""Which library runs a model fastest, and right: found out by trying them, within a bounded time.

Every candidate is loaded by a process of its own (`trial`), which can crash, hang or eat memory without harm. All get
the same made-up inputs; whoever differs from Paddle without oneDNN by more than `TOLERANCE` is out. Then they take
turns, a few runs each, so that what else the machine does hits all alike; who waits is stopped, so that threads that
spin after a run do not take the processors from the next. The clearly slower drop out early. For those that are left,
fewer threads are tried where runs are short, and larger batches while the rows per second still grow.

What counts is the geometric mean of two times: of a lone row, and of a row in the best batch.
"""

import contextlib
import json
import logging
import math
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np

from paddle_serving_app import backends, library_error, processors
from paddle_serving_app import plan as plans
from paddle_serving_app.backend import ModelOptions, Plugin
from paddle_serving_app.plan import Candidate, Measurement, Plan, Skipped
from paddle_serving_client import model_config, plugins
from paddle_serving_client.message import Array

logger = logging.getLogger(__name__)

ORDER = ("paddle", "onnxruntime", "openvino")
"""Which library is asked first where nothing was measured; those that are not named come after them."""
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2, "bf16": 5e-2, "int8": 1e-1}
"""How far an output may be from that of Paddle in fp32 without oneDNN, as a part of the output's largest value."""
TRIAL = (sys.executable, "-m", "paddle_serving_app.trial")

_LABELS_THAT_MAY_DIFFER = 1e-3
"""Part of the whole numbers of an output: where two scores are equal but for rounding, the class may be the other."""
_LOADING = 0.6
"""Part of the time in which a candidate has to be loaded."""
_PATIENCE = 2.0
"""How many times the time given is waited where nothing is loaded yet."""
_MEMORY = 0.8
"""Part of the free memory that all candidates together may take."""
_TURN_RUNS = 2.5
_LONGEST_TURN_S = 0.5
"""Of a slow model; one run is always made."""
_MANY = 10_000
_PART_OF_ONE = 0.3
"""Part of the time that one candidate may take to answer, before it counts as hanging."""
_CLEARLY_SLOWER = 2.5
"""Who takes so many times as long is not timed any further."""
_STILL_A_CHANCE = 1.6
"""Who takes so many times as long for one row may still be the best in batches, or with fewer threads."""
_CLEAR_LEAD = 0.9
"""The order is clear when the slowest turn of the first took this part of the fastest of the second."""
_LEAST_ROUNDS = 3
_MOST_IN_BATCHES = 3
_GAIN = 0.95
"""A larger batch has to bring the time of a row down to this part."""
_AS_GOOD = 1.03
"""Within this, fewer threads are better: they leave the processors to pre- and postprocessing."""
_SHORT_MS = 5.0
"""Up to this, threads may cost more than they bring."""
_WATCH_S = 0.1
_LONGEST_QUEUE = 12.0
"""How many times the time given one engine waits for others to have measured."""
_FEED_BYTES = 256 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long to measure, and how closely."""

    seconds: float = 10.0
    """For all candidates together; half as much again where loading takes long."""
    turn_s: float = 0.06
    """Of one candidate, before the next one's."""
    rounds: int = 5
    is_thorough: bool = False
    """Try fewer threads for every model, and several engines beside each other."""
    max_rows: int = 32


THOROUGH = Effort(seconds=60.0, turn_s=0.25, rounds=9, is_thorough=True, max_rows=64)


def plan_for(folder: Path, options: ModelOptions, seconds: float, command: Sequence[str] = TRIAL) -> Plan | None:
    """The plan of a model: the one that is kept, or one that is made now.

    Args:
        folder: the model folder; its files are those of its manifest.
        options: what was asked for, without a backend.
        seconds: about how long the measuring may take; 0: nothing is measured.
        command: what a candidate is tried by.

    Returns:
        None where there is no plan and none could be made; the log says why.

    Raises:
        BadModel: a file of the model cannot be read.
    """
    key = plans.key_of(folder, options)
    found = plans.read(folder, key)
    if found is not None or seconds <= 0:
        return found
    with _turn_to_measure(seconds * _LONGEST_QUEUE):
        if (found := plans.read(folder, key)) is not None:  # made by another engine meanwhile
            return found
        try:
            found = measure(folder, options, Effort(seconds=seconds), command)
        except Exception:  # whatever it is, the model can be served without a plan
            logger.exception("%s: measuring failed", folder)
    if found is not None:
        plans.write(folder, key, found)
    return found


def measure(
    folder: Path, options: ModelOptions, effort: Effort = Effort(), command: Sequence[str] = TRIAL
) -> Plan | None:
    """Try every candidate and make a plan; None where no candidate could be tried, and the log says why.

    Args:
        folder: the model folder.
        options: what was asked for, without a backend; a number of threads is kept.
        effort: how long, and how closely.
        command: what a candidate is tried by.
    """
    if sys.platform == "win32":
        return None
    logger.info("%s: measuring which library is the fastest, for about %.0f s", folder, effort.seconds)
    with tempfile.TemporaryDirectory(prefix="paddle_serving_measuring_") as scratch, contextlib.ExitStack() as stack:
        contest = _Contest(folder.resolve(), options, effort, tuple(command), Path(scratch))
        stack.callback(contest.end)
        return contest.hold()


def difference(found: Sequence[Array], expected: Sequence[Array]) -> float:
    """How far outputs are from those expected: the largest distance of two values, as a part of the largest expected.

    Infinite where the number of outputs, a shape, a type's kind or the place of a NaN or an infinity differs. For whole
    numbers and truth values, the part that differs, of which a thousandth counts as the largest tolerance of fp32.
    """
    if len(found) != len(expected):
        return math.inf
    return max((_difference(a, b) for a, b in zip(found, expected, strict=True)), default=0.0)


def read_tensors(file: Path) -> dict[str, Array]:
    """What lies in an .npz file, by name."""
    with np.load(file, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}


def _difference(found: Array, expected: Array) -> float:
    if found.shape != expected.shape or (found.dtype.kind in "fc") != (expected.dtype.kind in "fc"):
        return math.inf
    if not expected.size:
        return 0.0
    if expected.dtype.kind not in "fc":
        part = float(np.mean(found != expected))
        return part / _LABELS_THAT_MAY_DIFFER * TOLERANCE["fp32"]
    finite = np.isfinite(expected)
    if not np.array_equal(found[~finite], expected[~finite].astype(found.dtype), equal_nan=True):
        return math.inf
    if not finite.any():
        return 0.0
    wide = expected[finite].astype(np.complex128 if expected.dtype.kind == "c" else np.float64)
    distance = float(np.max(np.abs(found[finite] - wide)))
    return distance / max(float(np.max(np.abs(wide))), 1e-6) if math.isfinite(distance) else math.inf


class _Trial:
    """A candidate's process, and what is known of the candidate."""

    def __init__(self, candidate: Candidate, command: Sequence[str], scratch: Path) -> None:
        self.candidate = candidate
        self.reason = ""
        """Why it is out."""
        self.first_ms = math.inf
        """Of one row, when it was asked for its answers: an impression."""
        self.ms: dict[int, list[float]] = {}
        """By rows, the median of each turn."""
        self.joins = False
        """Whether its inputs have a batch axis that may vary."""
        self.reply: dict[str, Any] = {}
        self._said = b""
        self._log = (scratch / f"log-{candidate.backend}-{id(self)}").open("w+b")
        theirs: int
        self.fd, theirs = os.pipe()
        self._process = subprocess.Popen(
            [*command, str(theirs)],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=self._log,
            pass_fds=[theirs],
            start_new_session=True,
        )
        os.close(theirs)

    @property
    def is_in(self) -> bool:
        return not self.reason

    def time(self, rows: int = 1) -> float:
        """Of one run, in milliseconds; infinite where nothing is known."""
        if self.ms.get(rows):
            return median(self.ms[rows])
        return self.first_ms if rows == 1 else math.inf

    def row_time(self) -> float:
        """Of one row in the best batch."""
        return min(self.time(rows) / rows for rows in {1, *self.ms})

    def cost(self) -> float:
        """What is compared in the end."""
        return math.sqrt(self.time() * self.row_time())

    def best_rows(self) -> int:
        """The largest batch that was faster per row than all smaller ones."""
        best = 1
        for rows in sorted(self.ms):
            if self.time(rows) / rows < _GAIN * self.time(best) / best:
                best = rows
        return best

    def tell(self, said: dict[str, object]) -> None:
        """Give it a command, and let it run."""
        assert self._process.stdin is not None
        self.reply = {}
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(said).encode() + b"\n")
            self._process.stdin.flush()

    def hear(self) -> bool:
        """Read what has come; true when its answer is whole, or when it has ended."""
        piece = os.read(self.fd, 1 << 16)
        self._said += piece
        if not piece:
            self.drop(self._last_words())
        elif self._said.endswith(b"\n"):
            self.reply, self._said = json.loads(self._said), b""
            self._signal(signal.SIGSTOP)
            if "error" in self.reply:
                self.drop(str(self.reply["error"]))
        else:
            return False
        return True

    def memory_bytes(self) -> int:
        with contextlib.suppress(OSError, ValueError, IndexError):
            pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
            return pages * os.sysconf("SC_PAGE_SIZE")
        return 0

    def drop(self, reason: str) -> None:
        """It is out; the first reason counts."""
        if self.is_in:
            self.reason = reason
            logger.info("%s is out: %s", self.candidate, reason)
        self.end()

    def end(self) -> None:
        """End its process, and those that it started."""
        if self.fd < 0:
            return
        self._signal(signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._log.close()
        os.close(self.fd)
        self.fd = -1

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _last_words(self) -> str:
        status = self._process.wait()
        self._log.seek(0)
        lines = [line for line in self._log.read(1 << 20).decode(errors="replace").splitlines() if line.strip()]
        ended = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return library_error.text_of(
            f"its process ended with {ended}{': ' if lines else ''}{lines[-1] if lines else ''}"
        )


class _Contest:
    """All candidates of one model, from the start of their processes to the plan."""

    def __init__(
        self, folder: Path, options: ModelOptions, effort: Effort, command: tuple[str, ...], scratch: Path
    ) -> None:
        self._folder = folder
        self._options = options
        self._effort = effort
        self._command = command
        self._scratch = scratch
        self._trials: list[_Trial] = []
        self._skipped: list[Skipped] = []
        self._started = time.monotonic()
        self._until = self._started + effort.seconds
        self._memory = _MEMORY * _free_memory_bytes()
        self._cores = options.threads or processors.available()
        self._answers: list[list[Array]] = []
        """What the reference gives for the two feeds that are compared."""

    def hold(self) -> Plan | None:
        """Have them compete."""
        self._start(list(self._candidates()))
        # However long loading took, there is something left for the race.
        self._until = max(self._until, time.monotonic() + _PART_OF_ONE * self._effort.seconds)
        if (reference := self._reference()) is None:
            for skipped in self._out():
                logger.warning("%s: %s cannot be tried: %s", self._folder, skipped.candidate, skipped.reason)
            return None
        for entrant in self._inside():
            self._check(entrant, reference)
        self._race(self._inside())
        self._try_threads(reference)
        self._try_batches()
        return self._plan(reference)

    def end(self) -> None:
        """End every process."""
        for entrant in self._trials:
            entrant.end()

    # -- who takes part

    def _candidates(self) -> Iterator[Candidate]:
        spec = model_config.read(self._folder)
        for name in in_order(plugins.names(backends)):
            plugin = cast(Plugin, plugins.load(backends, name))
            has_onednn = name == "paddle" and self._options.gpu_id is None
            for onednn in (True, False) if has_onednn and self._options.onednn else (False,):
                candidate = Candidate(name, onednn, self._cores)
                reason = plugin.missing() or plugin.refuses(self._folder, spec)
                if reason is None:
                    yield candidate
                elif onednn is False:  # say it once
                    self._skipped.append(Skipped(candidate, reason))

    def _start(self, candidates: Sequence[Candidate]) -> list[_Trial]:
        """Load them, beside each other: this is not timed."""
        started = [_Trial(candidate, self._command, self._scratch) for candidate in candidates]
        self._trials += started
        for entrant in started:
            options = asdict(entrant.candidate.options(self._options))
            if self._is_reference(entrant.candidate):
                options["precision"] = "fp32"
            entrant.tell({"do": "load", "folder": str(self._folder), "options": options})
        begun = time.monotonic()
        late = self._gather(started, begun + max(1.0, _LOADING * (self._until - begun)))
        if late and not self._inside(but=late):
            late = self._gather(late, begun + _PATIENCE * self._effort.seconds)
        for entrant in late:
            waited = time.monotonic() - begun
            entrant.drop(
                f"not loaded within {waited:.0f} s; python -m paddle_serving_server.tune --model {self._folder.name} "
                f"has more patience"
            )
        for entrant in started:
            entrant.joins = bool(entrant.reply.get("joins"))
        return [entrant for entrant in started if entrant.is_in]

    def _is_reference(self, candidate: Candidate) -> bool:
        return candidate.backend == "paddle" and not candidate.onednn

    def _inside(self, but: Sequence[_Trial] = ()) -> list[_Trial]:
        return [entrant for entrant in self._trials if entrant.is_in and entrant not in but]

    def _out(self) -> list[Skipped]:
        return self._skipped + [Skipped(t.candidate, t.reason) for t in self._trials if not t.is_in]

    # -- who is right

    def _reference(self) -> _Trial | None:
        """Who says what is right; with its answers to two feeds. Paddle without oneDNN, else the first that can."""
        for entrant in sorted(self._inside(), key=lambda t: not self._is_reference(t.candidate)):
            patience = self._effort.seconds
            fed = all(
                self._ask(
                    entrant, {"do": "sample", "rows": rows, "seed": rows, "feed": str(self._feed(rows))}, patience
                )
                for rows in (1, 2)
            )
            if fed and (answers := self._answer(entrant, patience)) is not None:
                self._answers = answers
                return entrant
        return None

    def _check(self, entrant: _Trial, reference: _Trial) -> None:
        if entrant is reference:
            return
        patience = max(_PART_OF_ONE * self._effort.seconds, 10 * reference.first_ms / 1000)
        if (answers := self._answer(entrant, patience)) is None:
            return
        tolerance = TOLERANCE[self._options.precision]
        distance = max(map(difference, answers, self._answers))
        if distance > tolerance:
            how = (
                "has other outputs than"
                if math.isinf(distance)
                else f"differs by {distance:.2g} of the largest value from"
            )
            entrant.drop(f"{how} {reference.candidate.library}; {tolerance:g} is allowed")

    def _answer(self, entrant: _Trial, patience: float) -> list[list[Array]] | None:
        """Its outputs for the feeds of two rows and of one, and a first impression of its speed; None: it is out."""
        answers = []
        for rows in (2, 1):
            file = self._scratch / "answer.npz"
            ms = self._run(entrant, rows, patience, runs=2, seconds=self._effort.turn_s, answer=str(file))
            if ms is None:
                return None
            entrant.first_ms = ms
            found = read_tensors(file)
            answers.append([found[f"arr_{k}"] for k in range(len(found))])
        return answers

    # -- who is fast

    def _race(self, entrants: Sequence[_Trial]) -> None:
        """Let them take turns until the order is clear, or the time is up."""
        for number in range(self._effort.rounds):
            best = min((t.time() for t in entrants if t.is_in), default=math.inf)
            running = [t for t in entrants if t.is_in and t.time() <= _CLEARLY_SLOWER * best]
            if number >= _LEAST_ROUNDS and _is_clear(running):
                return
            for entrant in running:
                if not self._turn(entrant, 1):
                    return

    def _turn(self, entrant: _Trial, rows: int) -> bool:
        """A few runs of one candidate; false when the time is up."""
        if time.monotonic() > self._until:
            return False
        expected = min(entrant.row_time() * rows / 1000, self._effort.seconds)
        wanted = max(self._effort.turn_s, min(_TURN_RUNS * expected, _LONGEST_TURN_S))
        ms = self._run(entrant, rows, 1.0 + 10 * (wanted + expected), runs=_MANY, seconds=wanted)
        if ms is not None:
            entrant.ms.setdefault(rows, []).append(ms)
        return True

    def _try_threads(self, reference: _Trial) -> None:
        """Fewer threads, for those that have a chance."""
        best = min((entrant.time() for entrant in self._inside()), default=math.inf)
        if self._options.threads or self._options.gpu_id is not None or self._cores == 1:
            return
        if not self._effort.is_thorough and best > _SHORT_MS:
            return
        counts = {1, self._cores // 2} if self._effort.is_thorough else {1}
        rivals = [t for t in self._inside() if t.time() <= _STILL_A_CHANCE * best]
        fewer = [replace(t.candidate, threads=n) for t in rivals for n in counts if 0 < n < self._cores]
        started = self._start(fewer)
        for entrant in started:
            self._check(entrant, reference)
        self._race([*rivals, *started])

    def _try_batches(self) -> None:
        """Larger batches, while the rows per second grow; one size that brings nothing may lie between."""
        if any(answer.ndim == 0 or len(answer) != 2 for answer in self._answers[0]):
            return  # not one row of output for one of input
        rivals = sorted((t for t in self._inside() if t.joins), key=lambda t: t.time())
        rivals = [t for t in rivals if t.time() <= _STILL_A_CHANCE * rivals[0].time()]
        for entrant in rivals if self._effort.is_thorough else rivals[:_MOST_IN_BATCHES]:
            rows, misses = 2, 0
            while entrant.is_in and rows <= self._effort.max_rows and misses < 2 and self._has_feed(rows):
                if time.monotonic() + rows * entrant.row_time() / 1000 > self._until:
                    break
                before = entrant.best_rows()
                for _ in range(_LEAST_ROUNDS):  # the smaller one again too: the machine may have slowed down since
                    _ = self._turn(entrant, before) and self._turn(entrant, rows)
                misses = 0 if entrant.best_rows() == rows else misses + 1
                rows *= 2

    def _has_feed(self, rows: int) -> bool:
        """Make a feed of so many rows from the one that has one; not where it would fill the memory."""
        one, file = read_tensors(self._feed(1)), self._feed(rows)
        if any(name.startswith("lod") for name in one) or sum(a.nbytes for a in one.values()) * rows > _FEED_BYTES:
            return False
        if not file.exists():
            arrays = {name: np.concatenate([array] * rows) for name, array in one.items()}
            np.savez(file, allow_pickle=False, **arrays)
        return True

    # -- the plan

    def _plan(self, reference: _Trial) -> Plan:
        ranked = sorted(self._inside(), key=lambda t: t.cost())
        as_good = [t for t in ranked if t.cost() <= _AS_GOOD * ranked[0].cost()]
        chosen = min(as_good, key=lambda t: (t.candidate.threads, t.cost()))
        table = [
            Measurement(t.candidate, rows, t.time(rows), "chosen" if t is chosen and rows == chosen.best_rows() else "")
            for t in (chosen, *(t for t in ranked if t is not chosen))
            for rows in sorted({1, *t.ms})
        ]
        return Plan(
            candidate=chosen.candidate,
            max_rows=chosen.best_rows(),
            why=_why(chosen, [t for t in ranked if t is not chosen], reference),
            table=tuple(table),
            skipped=tuple(self._out()),
            versions=plans.versions(),
            cpu=plans.cpu_name(),
            seconds=round(time.monotonic() - self._started, 1),
        )

    # -- talking to the processes

    def _feed(self, rows: int) -> Path:
        return self._scratch / f"feed-{rows}.npz"

    def _run(
        self, entrant: _Trial, rows: int, patience: float, *, runs: int, seconds: float, answer: str = ""
    ) -> float | None:
        """Milliseconds of a run, the median of some; the first after a pause does not count where there are more."""
        said = {"do": "run", "feed": str(self._feed(rows)), "answer": answer, "runs": runs, "seconds": seconds}
        if not self._ask(entrant, said, patience):
            return None
        taken: list[float] = entrant.reply["ms"]
        return median(taken[1:] or taken)

    def _ask(self, entrant: _Trial, said: dict[str, object], patience: float) -> bool:
        entrant.tell(said)
        for silent in self._gather([entrant], time.monotonic() + patience):
            silent.drop(f"no answer within {patience:.0f} s")
        return entrant.is_in

    def _gather(self, told: Sequence[_Trial], until: float) -> list[_Trial]:
        """Wait for their answers; returns those that are still silent."""
        with selectors.DefaultSelector() as selector:
            for entrant in told:
                selector.register(entrant.fd, selectors.EVENT_READ, entrant)
            while selector.get_map() and (left := until - time.monotonic()) > 0:
                for key, _ in selector.select(min(left, _WATCH_S)):
                    fd: int = key.fd
                    if key.data.hear():
                        selector.unregister(fd)
                self._watch_memory(selector)
            return [key.data for key in selector.get_map().values()]

    def _watch_memory(self, selector: selectors.BaseSelector) -> None:
        sizes = {id(t): t.memory_bytes() for t in self._inside()}
        if sum(sizes.values()) <= self._memory:
            return
        largest = max(self._inside(), key=lambda t: sizes[id(t)])
        if largest.fd in selector.get_map():
            selector.unregister(largest.fd)
        largest.drop(f"took {sizes[id(largest)] >> 20} MiB, which is more than this machine can spare")


def _is_clear(running: Sequence[_Trial]) -> bool:
    if len(running) < 2:
        return True
    first, second = sorted(running, key=lambda t: t.time())[:2]
    return max(first.ms[1]) < _CLEAR_LEAD * min(second.ms[1])


def in_order(names: Sequence[str]) -> list[str]:
    """Backends in the order in which they are asked where nothing was measured."""
    return [*(name for name in ORDER if name in names), *(name for name in names if name not in ORDER)]


def _why(chosen: _Trial, others: Sequence[_Trial], reference: _Trial) -> str:
    """One line: how fast, and how much faster than the next and than what Paddle Serving did."""
    words = [f"{chosen.time():.3g} ms for one row"]
    next_library = next((t for t in others if t.candidate.library != chosen.candidate.library), None)
    if next_library is not None:
        ratio = next_library.cost() / chosen.cost()
        words.append(f"{ratio:.2g} times as fast as {next_library.candidate.library}")
    is_default = reference.candidate.backend == "paddle" and not reference.candidate.onednn
    if is_default and reference not in (chosen, next_library):
        words.append(f"{reference.time() / chosen.time():.2g} times as fast as Paddle Serving's default")
    rows = chosen.best_rows()
    if rows > 1:
        gain = chosen.time() * rows / chosen.time(rows)
        words.append(f"batches of {rows} rows give {gain:.2g} times as many rows")
    return ", ".join(words)


def _free_memory_bytes() -> int:
    """What the machine, or the container, has left."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        found.append(int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) << 10)
    with contextlib.suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        found.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()))
    return max(0, min(found)) if found else sys.maxsize


@contextlib.contextmanager
def _turn_to_measure(longest_s: float) -> Iterator[None]:
    """One engine measures at a time: two would disturb each other."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    path = Path(tempfile.gettempdir()) / f"paddle_serving_measuring_{os.getuid()}.lock"
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        logger.warning("measuring without waiting for others: %s: %s", path, exc.strerror)
        yield
        return
    try:
        until = time.monotonic() + longest_s
        while time.monotonic() < until:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(0.05)
        else:
            logger.warning("others have been measuring for %.0f s; this does not wait any longer", longest_s)
        yield
    finally:
        os.close(fd)
