"""One case through all libraries: the program is written, converted, run, and its answers compared."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from paddle_serving_app.program import reader
from paddle_serving_client import dtype
from paddle_serving_client.errors import BadModel
from tests.compare.operators import feeds, verdicts
from tests.compare.operators.case import Case
from tests.compare.operators.worker import WEIGHTS, programs_in
from tests.compare.operators.workers import Worker

REFERENCE = "paddle"
ROLES = ("paddle2", "paddle3", "paddle2onnx", "onnx", REFERENCE, "paddle+onednn", "onnxruntime", "openvino")
LIBRARIES = ("paddle+onednn", "onnxruntime", "openvino")
_CONSTANTS = ("fill_constant", "full", "full_int_array", "assign_value", "assign_value_", "Constant")


class Sweep:
    """The workers, and a folder for what they make."""

    def __init__(self, scratch: Path, libraries: Sequence[str]) -> None:
        self._scratch = scratch
        self._libraries = tuple(libraries) or LIBRARIES
        self._workers = {role: Worker(role, scratch / f"{role}.log") for role in ROLES}

    def end(self) -> None:
        """End all processes."""
        for worker in self._workers.values():
            worker.end()

    def result(self, case: Case, element_type: str) -> dict[str, Any]:
        """What each library made of a case, for each form of the program."""
        folder = self._scratch / f"{case.name}-{element_type}"
        folder.mkdir()
        names = self._write_feeds(case, element_type, folder)
        forms = {}
        try:
            for form in ("onnx",) if case.name.startswith("onnx_") else ("paddle2", "paddle3"):
                forms[form] = self._form(case, element_type, folder, form, names)
        finally:
            shutil.rmtree(folder)
        return {"case": case.name, "type": element_type, "forms": forms}

    def _form(self, case: Case, element_type: str, folder: Path, form: str, names: list[str]) -> dict[str, Any]:
        written = folder / form
        written.mkdir()
        reply = self._workers[form].do({"case": case.name, "type": element_type, "folder": str(written)})
        if (why := _why(reply)) is not None:
            return {"unknown": f"not written: {why}"}
        reference = "onnxruntime" if form == "onnx" else REFERENCE
        ran = self._run(reference, written, folder, names, "expected")
        known = [name for name in names if name not in ran.get("errors", {})]
        if _why(ran) is not None or not known:
            return {"unknown": _why(ran) or next(iter(ran["errors"].values()))}
        again = self._run(reference, written, folder, known, "again")
        if _why(again) is not None or any(self._differ(folder, name, ran["outputs"], element_type) for name in known):
            return {"unknown": "the reference does not answer the same twice"}
        found: dict[str, Any] = {"operators": _operators(written), "feeds": known, "libraries": {}}
        for library in self._libraries:
            if library != reference and not (form == "onnx" and library != "openvino"):
                verdict = self._library(library, form, written, folder, known, ran["outputs"], element_type)
                found["libraries"][library] = verdict
        return found

    def _library(
        self, library: str, form: str, written: Path, folder: Path, names: list[str], outputs: list[str], kind: str
    ) -> dict[str, str]:
        """By the name of the feed what is wrong: an empty text, or `refused`, `crash` or `wrong` and how."""
        if library == "onnxruntime" or (library == "openvino" and form == "paddle3"):
            source, written = written, folder / f"{form}-converted"
            if not written.exists():
                written.mkdir()
                reply = self._workers["paddle2onnx"].do({"from": str(source), "folder": str(written)})
                if (why := _why(reply)) is not None:
                    (written / "refused").write_text(why)
            if (written / "refused").exists():
                return dict.fromkeys(names, f"refused: {(written / 'refused').read_text()}")
        ran = self._run(library, written, folder, names, library)
        if (why := _why(ran)) is not None:
            word = "crash" if "crash" in ran else "refused"
            return dict.fromkeys(names, f"{word}: {why}")
        order = list(range(len(outputs)))
        if set(outputs) == set(ran["outputs"]):
            order = [ran["outputs"].index(name) for name in outputs]
        found = {}
        for name in names:
            if name in ran["errors"]:
                found[name] = f"refused: {ran['errors'][name]}"
                continue
            words = verdicts.verdict(folder / library / f"{name}.npz", folder / "expected" / f"{name}.npz", order, kind)
            found[name] = f"wrong: {words}" if words else ""
        return found

    @staticmethod
    def _differ(folder: Path, name: str, outputs: list[str], element_type: str) -> bool:
        places = list(range(len(outputs)))
        again, expected = (folder / answers / f"{name}.npz" for answers in ("again", "expected"))
        return not again.exists() or bool(verdicts.verdict(again, expected, places, element_type))

    def _run(self, library: str, written: Path, folder: Path, names: list[str], answers: str) -> dict[str, Any]:
        where = folder / answers
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir()
        job = {"folder": str(written), "feeds": names, "feeds_at": str(folder), "answers": str(where)}
        return self._workers[library].do(job)

    @staticmethod
    def _write_feeds(case: Case, element_type: str, folder: Path) -> list[str]:
        """The feeds as files, and the parameters as one; gives the names of the feeds."""
        made = feeds.feeds_for(case.inputs, element_type)
        weights = [k for k, spec in enumerate(case.inputs) if spec.is_weight]
        np.savez(folder / WEIGHTS, allow_pickle=False, **{f"x{k}": made["ordinary"][k] for k in weights})
        for name, arrays in made.items():
            np.savez(
                folder / f"{name}.npz",
                allow_pickle=False,
                **{f"x{k}": a for k, a in enumerate(arrays) if k not in weights},
            )
        return list(made)


def _why(reply: dict[str, Any]) -> str | None:
    found = reply.get("crash", reply.get("error"))
    return None if found is None else str(found)


def _operators(folder: Path) -> list[dict[str, Any]]:
    """The operators of a program that is not made of constants alone, with their types."""
    try:
        graph = reader.read_file(next(path for path in programs_in(folder) if path.exists()))
    except BadModel:
        return []
    return [
        {
            "operator": op.kind,
            "takes": sorted({dtype.name_of(v.elem_type) for v in op.inputs if v.constant is None}),
            "gives": [dtype.name_of(v.elem_type) for v in op.outputs],
            "attributes": {k: v for k, v in op.attributes.items() if _is_short(v)},
        }
        for op in graph.operators
        if op.kind not in _CONSTANTS
    ]


def _is_short(value: object) -> bool:
    return len(str(value)) < 64
