"""A model folder, loaded: its config and its library brought together, tried once, and ready to run."""

import contextlib
import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from paddle_serving_app import backends, decrypted, golden, model_files, progress, weights
from paddle_serving_app.backend import Backend, GivesUpOneDnn, ModelOptions, Outputs, Plugin, TensorSpec
from paddle_serving_app.choosing import advice, agreement, choose, contest, objections, samples
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.plan import Plan
from paddle_serving_app.choosing.samples import Limits, Style
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Arranged, Input, Output, Signature
from paddle_serving_client import dtype, manifest, model_config, plugins
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel, MissingLibrary
from paddle_serving_client.message import Array, Lod, describe
from paddle_serving_client.model_config import ModelSpec, Variable

logger = logging.getLogger(__name__)

_DEFAULT_OPTIONS = ModelOptions()
_IMAGE_AXES = 4
_FINITE_TRIES = 3
_WARM_UP_S = 1.0
"""For batches of more than one row; it ends with the run that is under way."""


@dataclass(frozen=True, slots=True)
class _Guess:
    """Sizes for the dimensions that a model leaves open."""

    height: int
    width: int
    other: int


_GUESSES = (
    _Guess(224, 224, 64),
    _Guess(64, 64, 32),
    _Guess(32, 32, 16),
    _Guess(48, 320, 128),
    _Guess(32, 320, 8),
    _Guess(640, 640, 2),
    _Guess(16, 16, 1),
)


class _WrongType(BackendFailed):
    """What came out of a library is not of the type that it had said."""


class Model:
    """One loaded model. Any thread may run it; runs are one after the other."""

    signature: Signature
    backend_name: str
    plan: Plan
    """Why it is run by this library, and how."""
    instances: int = 1
    """How many engines it was decided to have beside each other."""

    def __init__(self, folder: Path, spec: ModelSpec, backend_name: str, backend: Backend) -> None:
        """Use `Model.load`."""
        self.backend_name = backend_name
        self._folder = folder
        self._backend: Backend | None = backend
        self._lock = threading.Lock()
        inputs, self._input_order = _match_inputs(folder, spec, backend)
        outputs, self._output_order = _match_outputs(folder, spec, backend)
        self.signature = Signature(inputs, outputs)
        self._output_count = len(backend.outputs)
        self._hints = tuple(feed.shape for feed in spec.feeds)
        self._fitting: _Guess | None = None
        self._limits: Limits | None = None
        self._output_types = tuple(dtype.numpy_of(o.elem_type) for o in outputs)
        self._files = contextlib.ExitStack()

    @classmethod
    def load(
        cls,
        folder: str | Path,
        options: ModelOptions = _DEFAULT_OPTIONS,
        tune_s: float | None = None,
        key: bytes | None = None,
        *,
        instances: int = 1,
        follow: Plan | None = None,
    ) -> "Model":
        """Load a model folder and run it once.

        Args:
            folder: holds `serving_server_conf.prototxt` and the model.
            options: with `options.backend` empty, the library that measured fastest takes it, or, where nothing was
                measured, the first installed one that can read the folder.
            tune_s: how long to measure where that was not done yet, in seconds; 0: only what was measured before
                counts; None: not even that.
            key: of an encrypted model; any other ignores it.
            instances: engines that share the processors with this one, itself among them; 0: what was measured.
            follow: the plan to follow where none is kept for these very files: that of the version before.

        Raises:
            BadModel: something is missing, damaged, or config and model do not belong together, or no library answers
                the golden sample as its file says.
            BadConfig: the config cannot be read, or there is no such backend.
            MissingLibrary: no library that could read it is installed, or none has what `options` asks for.
        """
        folder = Path(folder)
        logger.info("%s: %s", folder, manifest.verify(folder))
        model_files.refuse_links_out(folder)
        try:
            spec = model_config.read(folder)
        except FileNotFoundError as exc:
            raise BadModel(f"{folder} has no {model_config.SERVER_CONFIG}; it is no Serving model folder") from exc
        if (sample := golden.find(folder, options.golden)) is not None:
            golden.read(sample)  # what is damaged is said before anything is measured
            options = replace(options, golden=str(sample.absolute()))
        with contextlib.ExitStack() as files:
            readable = files.enter_context(decrypted.opened(folder, key))
            try:
                plan = None
                if not options.backend and tune_s is not None:
                    plan = choose.plan_for(folder, options, tune_s, readable=readable) or follow
                model = cls._chosen(folder, readable, spec, options, plan, instances)
                if not options.backend and (missing := advice.on_missing(readable, spec)) is not None:
                    logger.info("%s: a library that is missing may run it faster: %s", folder, missing)
            except (BadModel, MissingLibrary) as exc:  # where an encrypted one lies for now says nothing to anybody
                raise type(exc)(str(exc).replace(str(readable), str(folder))) from exc
            finally:
                reader.forget()
            model._files = files.pop_all()  # libraries go back to them
        return model

    @classmethod
    def _chosen(
        cls, folder: Path, readable: Path, spec: ModelSpec, options: ModelOptions, plan: Plan | None, instances: int
    ) -> "Model":
        """Load what a plan says, or what comes first; `readable` has the files of `folder`."""
        count, threads = plans.beside(plan, options, instances)
        model = None
        if plan is not None:
            plan = replace(plan, candidate=replace(plan.candidate, threads=threads))
            try:
                model = cls._load(readable, spec, plan.candidate.options(options), plan)
            except (BadModel, MissingLibrary) as exc:
                logger.warning("%s: what measured fastest cannot be loaded now: %s", folder, exc)
        if model is None:
            model = cls._load(readable, spec, options if count == 1 else replace(options, threads=threads), None)
        model.instances = count
        return model

    @classmethod
    def _load(cls, folder: Path, spec: ModelSpec, options: ModelOptions, plan: Plan | None) -> "Model":
        refused: dict[str, str] = {}
        while True:
            progress.step("loading and trying it")
            name, backend, used = _open(folder, spec, options, refused)
            try:
                model = cls(folder, spec, name, backend)
                model._warm_up()
                model._try_empty()
                model._check_golden(options)
                model._try_batches(0 if plan is None else plan.max_rows)
                break
            except golden.GoldenDiffers as exc:  # another library may answer it rightly
                backend.close()
                logger.warning("%s is not loaded by %s: %s", folder, name, exc)
                refused[name] = str(exc)
            except Exception:
                backend.close()
                raise
        why = f"asked for {name}" if options.backend else f"nothing was measured: {name} is the first that can load it"
        model.plan = _as_it_runs(plan or plans.unmeasured(name, used, why), backend)
        return model

    def run(self, arranged: Arranged) -> Outputs:
        """Run the model once.

        Args:
            arranged: what `signature.arrange` gave; not modified.

        Returns:
            Arrays in the order of `signature.outputs`; they belong to the caller and stay valid.

        Raises:
            BackendFailed: the library failed, or the model is closed.
            BadInput: it failed at inputs that have different numbers of rows, which some models take and others not.
        """
        arrays = [arranged.arrays[k] for k in self._input_order]
        lods = {at: arranged.lods[k] for at, k in enumerate(self._input_order) if k in arranged.lods}
        with self._lock:
            if self._backend is None:
                raise BackendFailed(f"model {self._folder.name} is closed")
            try:
                found = self._backend.run(arrays, lods)
            except BackendFailed as exc:
                if not (uneven := self.signature.uneven_rows(arranged.arrays)):
                    raise
                logger.info("refused by the library: %s", exc)
                raise BadInput(f"{uneven}; this model cannot compute that") from exc
        if len(found.arrays) != self._output_count:
            raise BackendFailed(f"{self.backend_name} gave {len(found.arrays)} outputs instead of {self._output_count}")
        ordered = tuple([found.arrays[k] for k in self._output_order])
        for array, kind in zip(ordered, self._output_types, strict=True):
            if array.dtype != kind and kind is not None:
                raise _WrongType(f"{self.backend_name} gave an output as {array.dtype.name} instead of {kind.name}")
        return Outputs(ordered, {at: found.lods[k] for at, k in enumerate(self._output_order) if k in found.lods})

    @property
    def sizes(self) -> int:
        """How many sizes `sample` knows for the dimensions behind the first that the model leaves open."""
        return len(self._guesses())

    def sample(
        self, rows: int = 1, seed: int = 0, styles: Sequence[Style] = ("plain",), size: int | None = None
    ) -> Arranged | None:
        """A made-up feed; None where none was found that the model takes.

        Args:
            rows: length of axis 0 where that may vary.
            seed: another one gives other values.
            styles: of the values, row by row, and again from the first; of all, where axis 0 does not vary.
            size: the number of a size below `sizes`, which the model may not take; None: of one that it took.
        """
        guess = self._fitting if self._fitting is None or size is None else self._guesses()[size]
        return None if guess is None else self._make_sample(guess, rows, seed, styles)

    def close(self) -> None:
        """Give the memory back; a run that is under way ends first."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None
            self._files.close()

    def _warm_up(self) -> None:
        """Run once, so that the first caller does not wait; a model that answers no numbers is refused."""
        outputs = None
        for guess in self._guesses():
            try:
                outputs = self.run(self._make_sample(guess, 1, 0))
            except _WrongType as exc:
                raise BadModel(f"{self._folder}: {exc}") from exc
            except BackendFailed as exc:
                logger.debug("%s: %s does not fit: %s", self._folder, guess, exc)
                continue
            self._fitting = guess
            break
        if self._fitting is None or outputs is None:
            logger.warning("%s goes live untried: no made-up input fits %s", self._folder, self.signature.inputs)
            return
        for output, array in zip(self.signature.outputs, outputs.arrays, strict=True):
            if dtype.code_of(array.dtype) == dtype.UNKNOWN:
                kind = "text" if array.dtype.kind in "OSU" else array.dtype.name
                raise BadModel(f"{self._folder}: output {output.alias!r} is {kind}, which cannot be served")
        if self._without_numbers(outputs) is not None:
            self._look_for_numbers(outputs)

    def _try_empty(self) -> None:
        """Find out which inputs may be empty: only what is joined with others right away, and where the library can."""
        inputs = list(self.signature.inputs)
        if self._fitting is None or not any(-1 in self._hinted(k)[1:] for k in range(len(inputs))):
            return
        if (found := reader.find(self._folder)) is None:
            return
        joined = {
            value for operator in found.operators if operator.common_kind == "concat" for value in operator.inputs
        }
        for k, spec in enumerate(inputs):
            if -1 not in spec.shape[1:] or found.feeds.get(spec.name) not in joined:
                continue
            arrays = list(self._make_sample(self._fitting, 1, 0).arrays)
            inner = tuple(0 if dim == -1 else dim for dim in spec.shape[1:])
            arrays[k] = np.empty((*arrays[k].shape[:1], *inner), arrays[k].dtype)
            with contextlib.suppress(BackendFailed):
                self.run(Arranged(tuple(arrays), {}))
                inputs[k] = replace(spec, may_be_empty=True)
        self.signature = replace(self.signature, inputs=tuple(inputs))

    def _look_for_numbers(self, outputs: Outputs) -> None:
        """No number may come of damage, or of a made-up input that the model is not made for: told apart here."""
        silent = set(range(len(outputs.arrays)))
        tries: list[tuple[int, Style]] = [(seed, "plain") for seed in range(_FINITE_TRIES)]
        for seed, style in [*tries, *((0, style) for style in samples.STYLES[1:])]:
            with contextlib.suppress(BackendFailed):
                outputs = self.run(self._make_sample(self._fitting or _GUESSES[0], 1, seed, (style,)))
                if self._without_numbers(outputs) is None:
                    return
                silent = {k for k in silent if not agreement.has_numbers(outputs.arrays[k])}
        if silent:
            output, array = self.signature.outputs[min(silent)], outputs.arrays[min(silent)]
            what = f"output {output.alias!r} ({describe(array)}) is not finite"
        else:
            what = f"output {self._without_numbers(outputs)} is not finite"
        if (damage := weights.damage(self._folder, is_silent=bool(silent))) is not None:
            raise BadModel(f"{self._folder}: {what}: {damage}")
        logger.warning(
            "%s: %s with each made-up input, though its weights are sound: those that it is made for are others",
            self._folder,
            what,
        )

    def _check_golden(self, options: ModelOptions) -> None:
        if options.golden:
            golden.check(golden.read(Path(options.golden)), self.signature, self.run, options.precision)

    def _try_batches(self, max_rows: int) -> None:
        """Run each size of batch once: a library prepares itself for a shape when it first meets it."""
        if not self.signature.can_join:
            return
        until = time.monotonic() + _WARM_UP_S
        for rows in range(2, max_rows + 1):
            if time.monotonic() > until or (arranged := self.sample(rows)) is None:
                return
            with contextlib.suppress(BackendFailed):  # whoever sends such a batch is told
                self.run(arranged)

    def _without_numbers(self, outputs: Outputs) -> str | None:
        """An output that holds NaN, or nothing finite. Some infinities are normal: scores that are masked out."""
        for output, array in zip(self.signature.outputs, outputs.arrays, strict=True):
            if array.dtype.kind in "fc" and array.size and (np.isnan(array).any() or not np.isfinite(array).any()):
                return f"{output.alias!r} ({describe(array)})"
        return None

    def _guesses(self) -> Sequence[_Guess]:
        """All, or one where no dimension but the batch is open."""
        is_open = any(-1 in self._hinted(k)[1:] for k in range(len(self.signature.inputs)))
        return _GUESSES if is_open else _GUESSES[:1]

    def _hinted(self, k: int) -> tuple[int, ...]:
        """The shape of an input, with open dimensions from the config where that names them all."""
        shape, hint = self.signature.inputs[k].shape, self._hints[k]
        if len(hint) == len(shape) - 1 and min(hint, default=0) > 0 and not self.signature.inputs[k].is_lod:
            return shape[:1] + tuple(h if dim == -1 else dim for dim, h in zip(shape[1:], hint, strict=True))
        return shape

    def _make_sample(self, guess: _Guess, rows: int, seed: int, styles: Sequence[Style] = ("plain",)) -> Arranged:
        random = np.random.default_rng(seed)
        shapes = [_filled(self._hinted(k), guess, rows) for k in range(len(self.signature.inputs))]
        arrays = tuple(
            self._values(random, i, shape, styles if i.shape[:1] == (-1,) else styles[:1])
            for i, shape in zip(self.signature.inputs, shapes, strict=True)
        )
        lods: dict[int, Lod] = {k: ((0, shapes[k][0]),) for k, i in enumerate(self.signature.inputs) if i.is_lod}
        return Arranged(arrays, lods)

    def _values(
        self, random: np.random.Generator, spec: Input, shape: tuple[int, ...], styles: Sequence[Style]
    ) -> Array:
        kind = dtype.numpy_of(spec.elem_type)
        if kind is None:
            raise BadModel(f"input {spec.alias!r} is {dtype.name_of(spec.elem_type)}, which cannot be served")
        if len(styles) == 1:
            return self._of_style(random, spec, kind, shape, styles[0])
        rows = [self._of_style(random, spec, kind, shape[1:], styles[k % len(styles)]) for k in range(shape[0])]
        return np.stack(rows)

    def _of_style(
        self,
        random: np.random.Generator,
        spec: Input,
        kind: "np.dtype[np.generic]",
        shape: tuple[int, ...],
        style: Style,
    ) -> Array:
        if kind.kind not in "iu" or style == "plain":
            return samples.values(random, kind, shape, style)
        if self._limits is None:
            self._limits = samples.limits_of(reader.find(self._folder))
        return samples.integers(random, kind, shape, style, self._limits.get(spec.name, (0, 1)))


def _open(
    folder: Path, spec: ModelSpec, options: ModelOptions, refused: Mapping[str, str]
) -> tuple[str, Backend, ModelOptions]:
    """Load the model by the library asked for, or by the first that can and is not refused already, for a reason.

    Returns:
        The library's name, the model, and the options it was loaded with.
    """
    reasons: list[str] = []
    only_missing = True
    for name in _candidates(options):
        plugin = cast(Plugin, plugins.load(backends, name))
        reason = plugin.missing()
        objection = refused.get(name) or plugin.refuses(folder, spec) or _objection(name, folder)
        if reason is None and (reason := objection) is not None:
            only_missing = False
        if reason is None:
            try:
                careful = _without_faults(name, folder, options)
                return name, plugin.load(folder, spec, careful), careful
            except MissingLibrary as exc:
                reason = str(exc)
            except BadModel as exc:
                only_missing = False
                reason = str(exc)
        reasons.append(f"{name}: {reason}")
        if name not in refused:
            logger.info("%s is not loaded by %s", folder, reasons[-1])
    error = MissingLibrary if only_missing else BadModel
    raise error(f"{folder} cannot be loaded. {'; '.join(reasons)}")


def _as_it_runs(plan: Plan, backend: Backend) -> Plan:
    """What is said is what runs: Paddle goes on without oneDNN where that lacks an operator."""
    if isinstance(backend, GivesUpOneDnn) and plan.candidate.onednn and not backend.has_onednn:
        return replace(plan, candidate=replace(plan.candidate, onednn=False))
    return plan


def _objection(backend: str, folder: Path) -> str | None:
    """Why a library would answer wrongly, as far as that can be seen in its program."""
    return "; ".join(objections.against(backend, folder)) or None


def _without_faults(backend: str, folder: Path, options: ModelOptions) -> ModelOptions:
    """Without oneDNN where that is known to compute an operator of the model wrongly."""
    if backend != "paddle" or not options.onednn or options.gpu_id is not None:
        return options
    reasons = objections.against(backend, folder, onednn=True)
    if reasons:
        logger.info("%s is run without oneDNN: %s", folder, "; ".join(reasons))
    return replace(options, onednn=not reasons)


def _candidates(options: ModelOptions) -> Iterator[str]:
    if options.backend:
        yield options.backend
        return
    yield from contest.in_order(plugins.names(backends))


def _match_inputs(folder: Path, spec: ModelSpec, backend: Backend) -> tuple[tuple[Input, ...], list[int]]:
    """The inputs in the order of the config, and for each input of the library its place among them."""
    place = {feed.name: k for k, feed in enumerate(spec.feeds)}
    names = [found.name for found in backend.inputs]
    if set(place) != set(names):
        names = _real_names(folder, len(names))
    if set(place) != set(names):
        raise BadModel(_mismatch(folder, "inputs", spec.feeds, backend.inputs))
    found_by_name = dict(zip(names, backend.inputs, strict=True))
    inputs = tuple(_input(folder, feed, found_by_name[feed.name]) for feed in spec.feeds)
    return inputs, [place[name] for name in names]


def _real_names(folder: Path, count: int) -> list[str]:
    """What the inputs are called in the model: a library that drops a step right behind one gives it another name."""
    found = reader.find(folder)
    return list(found.feeds) if found is not None and len(found.feeds) == count else []


def _input(folder: Path, feed: Variable, found: TensorSpec) -> Input:
    agreed = found.elem_type if found.elem_type != dtype.UNKNOWN else feed.elem_type
    if feed.elem_type not in (dtype.UNKNOWN, agreed) and dtype.numpy_of(feed.elem_type) != dtype.numpy_of(agreed):
        raise BadModel(
            f"{folder}: the config says that input {feed.alias!r} is {dtype.name_of(feed.elem_type)}, "
            f"but the model takes {dtype.name_of(agreed)}"
        )
    shape = found.shape or ((-1, *feed.shape) if feed.shape else ())  # some ONNX models do not say
    return Input(feed.name, feed.alias, agreed, shape, feed.is_lod)


def _match_outputs(folder: Path, spec: ModelSpec, backend: Backend) -> tuple[tuple[Output, ...], list[int]]:
    """The outputs in the order of the config, and for each its place among those of the library."""
    place = {found.name: k for k, found in enumerate(backend.outputs)}
    names = [fetch.name for fetch in spec.fetches]
    if all(name in place for name in names):
        order = [place[name] for name in names]
    elif len(names) == len(place) and not set(names) & set(place):
        logger.info("%s: no output has the name that the config says; they are taken in order", folder)
        order = list(range(len(names)))
    else:
        raise BadModel(_mismatch(folder, "outputs", spec.fetches, backend.outputs))
    return tuple(_output(folder, f, backend.outputs[k]) for f, k in zip(spec.fetches, order, strict=True)), order


def _output(folder: Path, fetch: Variable, found: TensorSpec) -> Output:
    code = found.elem_type if found.elem_type != dtype.UNKNOWN else fetch.elem_type
    if fetch.elem_type not in (dtype.UNKNOWN, code):
        said, gives = dtype.name_of(fetch.elem_type), dtype.name_of(code)
        logger.warning("%s: the config says output %r is %s; the model gives %s", folder, fetch.alias, said, gives)
    if code != dtype.UNKNOWN and dtype.numpy_of(code) is None:
        raise BadModel(
            f"{folder}: output {fetch.alias!r} is {dtype.name_of(code)}, which cannot be served: cast it to float32 in "
            f"the model"
        )
    return Output(fetch.name, fetch.alias, code, fetch.shape, fetch.is_lod)


def _mismatch(folder: Path, kind: str, said: Sequence[Variable], found: Sequence[TensorSpec]) -> str:
    return (
        f"{folder}: {model_config.SERVER_CONFIG} and the model do not belong together: the config has the {kind} "
        f"{', '.join(repr(v.name) for v in said)}, the model has {', '.join(repr(t.name) for t in found)}"
    )


def _filled(shape: tuple[int, ...], guess: _Guess, rows: int) -> tuple[int, ...]:
    """A shape without open dimensions: axis 0 is the batch, of four axes the next open ones are height and width."""
    sizes = iter((guess.height, guess.width, guess.other) if len(shape) == _IMAGE_AXES else ())
    inner = tuple(next(sizes, guess.other) if dim == -1 else dim for dim in shape[1:])
    return tuple(rows if dim == -1 else dim for dim in shape[:1]) + inner
