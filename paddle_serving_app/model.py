"""A model, loaded: its config and its library brought together, tried once, and ready to run."""

import contextlib
import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from paddle_serving_app import decrypted, golden, layout, matching, model_fields, opening, progress
from paddle_serving_app.backend import Backend, GivesUpOneDnn, ModelOptions, Outputs
from paddle_serving_app.choosing import advice, choose
from paddle_serving_app.choosing import plan as plans
from paddle_serving_app.choosing.plan import Plan
from paddle_serving_app.choosing.samples import Style
from paddle_serving_app.first_runs import FirstRuns, WrongType
from paddle_serving_app.layout import ModelPackage
from paddle_serving_app.made_up_feeds import MadeUpFeeds
from paddle_serving_app.program import reader
from paddle_serving_app.signature import Arranged, Sample, Signature
from paddle_serving_client import dtype
from paddle_serving_client.errors import BackendFailed, BadInput, BadModel, MissingLibrary
from paddle_serving_client.model_config import ModelSpec

logger = logging.getLogger(__name__)

_DEFAULT_OPTIONS = ModelOptions()


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
        inputs, self._input_order = matching.inputs_of(folder, spec, backend)
        outputs, self._output_order = matching.outputs_of(folder, spec, backend)
        self.signature = Signature(inputs, outputs, model_fields.text_of(folder, inputs))
        self._output_count = len(backend.outputs)
        self._feeds = MadeUpFeeds(folder, spec, inputs)
        self._output_types = tuple(dtype.numpy_of(o.elem_type) for o in outputs)
        self._files = contextlib.ExitStack()

    @classmethod
    def load(
        cls,
        path: str | Path | ModelPackage,
        options: ModelOptions = _DEFAULT_OPTIONS,
        tune_s: float | None = None,
        key: bytes | None = None,
        *,
        instances: int = 1,
        follow: Plan | None = None,
    ) -> "Model":
        """Load a model and run it once.

        Args:
            path: the model, in any layout there is (`layouts/`), or one that is open already.
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
        package = path if isinstance(path, ModelPackage) else layout.opened(path)
        folder, spec = package.folder, package.spec
        logger.info("%s: %s", package.path, package.verdict)
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
            except (BadModel, MissingLibrary) as exc:  # where its files lie for now says nothing to anybody
                text = str(exc).replace(str(readable), str(folder)).replace(str(folder), str(package.path))
                raise type(exc)(text) from exc
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
            name, backend, used = opening.opened(folder, spec, options, refused)
            try:
                model = cls(folder, spec, name, backend)
                first = FirstRuns(folder, model.signature, model._feeds, model.run)
                first.warm_up()
                model.signature = _with_samples(first.try_empty(), model._feeds.fitting_samples)
                if options.golden:
                    golden.check(golden.read(Path(options.golden)), model.signature, model.run, options.precision)
                first.try_batches(0 if plan is None else plan.max_rows)
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
                raise WrongType(f"{self.backend_name} gave an output as {array.dtype.name} instead of {kind.name}")
        return Outputs(ordered, {at: found.lods[k] for at, k in enumerate(self._output_order) if k in found.lods})

    @property
    def sizes(self) -> int:
        """How many sizes `sample` knows for the dimensions behind the first that the model leaves open."""
        return len(self._feeds.guesses)

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
        return self._feeds.sample(rows, seed, styles, size)

    def close(self) -> None:
        """Give the memory back; a run that is under way ends first."""
        with self._lock:
            if self._backend is not None:
                self._backend.close()
                self._backend = None
            self._files.close()


def _with_samples(signature: Signature, samples: Sequence[Sample]) -> Signature:
    """What the model has answered, beside each input; nothing, where nothing is known."""
    if not samples:
        return signature
    pairs = zip(signature.inputs, samples, strict=True)
    return replace(signature, inputs=tuple(replace(spec, sample=sample) for spec, sample in pairs))


def _as_it_runs(plan: Plan, backend: Backend) -> Plan:
    """What is said is what runs: Paddle goes on without oneDNN where that lacks an operator."""
    if isinstance(backend, GivesUpOneDnn) and plan.candidate.onednn and not backend.has_onednn:
        return replace(plan, candidate=replace(plan.candidate, onednn=False))
    return plan
