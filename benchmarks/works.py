"""What is measured, against what, and the bar that it is held to."""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import prepare
import systems
from systems import Figures, System

ROOT = prepare.ROOT
ALONE, FEW, MANY = 1, 8, 32
NO_NETWORK = 0
"""In the place of a number of clients."""

Case = tuple[str, int]
"""A system's name and how many clients it has."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What must be true of the medians."""

    text: str
    value: Callable[[Mapping[Case, Figures]], float]
    limit: float
    is_least: bool = True
    """Whether `limit` is the least that will do, or the most."""
    unit: str = "x"

    def is_reached(self, medians: Mapping[Case, Figures]) -> bool:
        """Whether it is so."""
        value = self.value(medians)
        return value >= self.limit if self.is_least else value <= self.limit


@dataclass(frozen=True, slots=True)
class Work:
    """One work: systems, the cases in the order of a round, and bars."""

    title: str
    systems: Mapping[str, System]
    cases: Sequence[Case]
    bars: Sequence[Bar] = field(default_factory=list)
    unit: str = "answers/s"
    stretch: float = 1.0
    """By how much a measurement takes longer than asked for: where there are only a few answers a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What the command line may vary."""

    ours: Sequence[str]
    """Flags for `serve`; each is a system of its own, and bars hold the first."""
    rapidocr_python: str = ""


FLAGS: Mapping[str, Sequence[str]] = {
    "w1": ("--instances 1 --engine_threads 1", "", "--fronts 2"),
    "w1b": ("",),
    "w2": ("--fronts 2", ""),
    "w3": ("", "--fronts 2"),
}
"""Flags for `serve`, where a work has better ones than none; the first are held to the bars."""


def ratio(one: Case, other: Case) -> Callable[[Mapping[Case, Figures]], float]:
    """Of two rates."""
    return lambda medians: medians[one].rate / medians[other].rate


def best_ratio(one: Sequence[Case], other: Sequence[Case]) -> Callable[[Mapping[Case, Figures]], float]:
    """Of the best rates of each."""
    return lambda medians: max(medians[case].rate for case in one) / max(medians[case].rate for case in other)


def w1(choice: Choice) -> Work:
    """A photo in, five best classes out, MobileNetV3-small."""
    return _classify(choice, "W1: 640x480 JPEG to five classes, MobileNetV3-small", "mobilenet", "w1")


def w1b(choice: Choice) -> Work:
    """The same with ResNet-50."""
    work = _classify(choice, "W1b: 640x480 JPEG to five classes, ResNet-50", "resnet50", "w1b")
    bars = [
        Bar(f"ours / model only, {n} clients", ratio((_ours(choice)[0], n), ("model only", 0)), 0.97)
        for n in (FEW, MANY)
    ]
    rivals = {"model only": systems.bare("w1b-model", 2, 1), **work.systems}
    cases = [("model only", NO_NETWORK), *(case for case in work.cases if case[1] != ALONE)]
    return Work(work.title, rivals, cases, bars, stretch=3.0)  # 32 callers wait a second: the ends of a short one count


def _classify(choice: Choice, title: str, model: str, bare: str) -> Work:
    names = _ours(choice)
    service = ["--service", str(prepare.HERE / "services" / "classify.py")]
    rivals: dict[str, System] = {
        "bare 2x1": systems.bare(bare, 2, 1),
        "bare alone 1x1": systems.bare(bare, 1, 1),
        "bare alone 1x2": systems.bare(bare, 1, 2),
        "fastapi": systems.fastapi(f"/classify/{model}", systems.picture),
        "fastapi inline": systems.fastapi(f"/classify/{model}", systems.picture, is_inline=True),
    }
    for name, flags in zip(names, choice.ours, strict=True):
        all_flags = [*service, *shlex.split(flags), "--", str(prepare.folder(model))]
        rivals[name] = systems.ours(all_flags, "/classify/prediction", systems.picture)
    networked = ["fastapi", "fastapi inline", *names]
    cases = [("bare 2x1", NO_NETWORK), *((name, n) for n in (FEW, MANY) for name in networked)]
    cases += [("bare alone 1x1", NO_NETWORK), ("bare alone 1x2", NO_NETWORK), *((name, ALONE) for name in networked)]
    first = names[0]
    bars = [Bar(f"ours / bare, {n} clients", ratio((first, n), ("bare 2x1", NO_NETWORK)), 1.25) for n in (FEW, MANY)]
    bars += [Bar(f"ours / FastAPI, {n} clients", ratio((first, n), ("fastapi", n)), 1.4) for n in (FEW, MANY)]
    bars += [
        Bar("alone: p50 over the better bare loop's", lambda m: _over_bare(m, first), 0.7, False, "ms"),
        _steady(first),
    ]
    return Work(title, rivals, cases, bars)


def _over_bare(medians: Mapping[Case, Figures], ours: str) -> float:
    bare = min(medians["bare alone 1x1", NO_NETWORK].p50_ms, medians["bare alone 1x2", NO_NETWORK].p50_ms)
    return medians[ours, ALONE].p50_ms - bare


def _steady(ours: str) -> Bar:
    return Bar("p99 / p50, 8 clients", lambda m: m[ours, FEW].p99_ms / m[ours, FEW].p50_ms, 2.0, False)


def w2(choice: Choice) -> Work:
    """A picture as numbers in JSON."""
    names = _ours(choice)
    rivals: dict[str, System] = {
        "model only 2x1": systems.bare("w2", 2, 1),
        "fastapi": systems.fastapi("/tensor", systems.json_file("tensor.json")),
    }
    for name, flags in zip(names, choice.ours, strict=True):
        rivals[name] = systems.ours(_model("mobilenet", flags), "/model/prediction", systems.json_file("tensor.json"))
    cases = [("model only 2x1", NO_NETWORK), *((name, FEW) for name in ("fastapi", *names))]
    bars = [Bar("ours / FastAPI", ratio((names[0], FEW), ("fastapi", FEW)), 8.0)]
    return Work("W2: 1x3x224x224 float32 as JSON (3.1 MB), MobileNetV3-small", rivals, cases, bars)


def w2b(choice: Choice) -> Work:
    """The same tensor in binary forms."""
    names = _ours(choice)
    rivals: dict[str, System] = {
        "model only 2x1": systems.bare("w2", 2, 1),
        "fastapi (raw)": systems.fastapi("/raw", systems.raw_tensor),
    }
    forms = (
        ("brpc", "/", systems.rpc_tensor),
        ("protobuf", "/GeneralModelService/inference", systems.proto_tensor),
        ("npy", "/model/prediction", systems.npy_tensor),
    )
    ours = []
    for name, flags in zip(names, choice.ours, strict=True):
        for form, path, payload in forms:
            ours.append(f"{name} ({form})")
            rivals[ours[-1]] = systems.ours(_model("mobilenet", flags), path, payload)
    cases = [("model only 2x1", NO_NETWORK), *((name, FEW) for name in ("fastapi (raw)", *ours))]
    firsts = [(name, FEW) for name in ours[: len(forms)]]
    bars = [Bar("ours in its best form / model only", best_ratio(firsts, [("model only 2x1", NO_NETWORK)]), 0.9)]
    return Work("W2b: the same tensor in binary (0.6 MB)", rivals, cases, bars)


def w3(choice: Choice) -> Work:
    """13 numbers in, 1 out."""
    names = _ours(choice)
    rivals: dict[str, System] = {
        "bare 2x1": systems.bare("w3", 2, 1),
        "fastapi": systems.fastapi("/uci", systems.json_file("uci.json")),
        "fastapi inline": systems.fastapi("/uci", systems.json_file("uci.json"), is_inline=True),
    }
    rpc = []
    for name, flags in zip(names, choice.ours, strict=True):
        rivals[name] = systems.ours(_model("uci", flags), "/model/prediction", systems.json_file("uci.json"))
        rpc.append(f"{name} (brpc)")
        rivals[rpc[-1]] = systems.ours(_model("uci", flags), "/", systems.rpc_numbers)
    networked = ["fastapi", "fastapi inline", *names, *rpc]
    cases = [("bare 2x1", NO_NETWORK), *((name, n) for n in (FEW, 64, ALONE) for name in networked)]
    levels = (FEW, 64)
    reference = [("fastapi", n) for n in levels]
    bars = [
        Bar("ours over HTTP / FastAPI, best of 8 and 64", best_ratio([(names[0], n) for n in levels], reference), 2.0),
        Bar("ours over RPC / FastAPI, best of 8 and 64", best_ratio([(rpc[0], n) for n in levels], reference), 5.0),
        Bar("alone over HTTP: p50", lambda medians: medians[names[0], ALONE].p50_ms, 0.3, False, "ms"),
        _steady(names[0]),
        _steady(rpc[0]),
    ]
    return Work("W3: 13 numbers in, 1 out", rivals, cases, bars)


def ceiling(choice: Choice) -> Work:
    """The load generator against a server that does nothing."""
    rivals = {"trivial": systems.ceiling(systems.json_file("uci.json"))}
    return Work("What the load generator itself can do", rivals, [("trivial", n) for n in (ALONE, FEW, 64)])


def ocr(choice: Choice) -> Work:
    """Pages with text."""
    names = _ours(choice)
    files = ocr_pictures()
    rivals: dict[str, System] = {}
    if choice.rapidocr_python:
        rivals["rapidocr-paddle"] = systems.original_ocr(choice.rapidocr_python, files)
    for name, flags in zip(names, choice.ours, strict=True):
        service = ["--service", str(ROOT / "web_service" / "ppocr.py"), *shlex.split(flags)]
        rivals[name] = systems.ours(service, "/ppocr/prediction", systems.pictures(files))
    cases = [("rapidocr-paddle", NO_NETWORK)] if choice.rapidocr_python else []
    cases += [(name, n) for n in (ALONE, 2, 4) for name in names]
    bars = []
    if choice.rapidocr_python:
        mine = [(names[0], n) for n in (ALONE, 2, 4)]
        bars.append(Bar("ours / the original, best", best_ratio(mine, [("rapidocr-paddle", NO_NETWORK)]), 1.5))
    return Work("OCR: pages read", rivals, cases, bars, unit="pages/s", stretch=5.0)


def ocr_pictures() -> list[Path]:
    """All that carry text."""
    without_text = ("astronaut", "flower")
    found = (ROOT / "tests" / "data" / "pictures").glob("*.jpg")
    return sorted(picture for picture in found if picture.stem not in without_text)


def start(choice: Choice) -> Work:
    """From the command to the first answer, and memory."""
    names = _ours(choice)
    rivals = {
        name: systems.first_answer(
            ["--model", str(prepare.folder("uci")), "--name", "uci", *shlex.split(flags)], prepare.CACHE / "uci.json"
        )
        for name, flags in zip(names, choice.ours, strict=True)
    }
    first = (names[0], NO_NETWORK)
    bars = [
        Bar("to the first answer", lambda medians: medians[first].p50_ms / 1000, 2.0, False, "s"),
        Bar("memory of all processes", lambda medians: medians[first].memory_mb, 150.0, False, "MB"),
    ]
    title = "Start of `serve` with uci to the first answer (p50), and memory (PSS)"
    return Work(title, rivals, [(name, NO_NETWORK) for name in names], bars, unit="starts/s")


def chosen(choice: Choice) -> Work:
    """The measured choice of a library against the default of Paddle Serving 0.9, and against each by hand."""
    models = {
        "mobilenet": (prepare.folder("mobilenet"), (1, 3, 224, 224)),
        "ppocr_rec": (ROOT / "serving_model" / "ppocr_rec", (6, 3, 48, 320)),
    }
    ways: dict[str, dict[str, object]] = {
        "choice": {},
        "paddle, oneDNN off": {"backend": "paddle", "onednn": False},
        "paddle": {"backend": "paddle"},
        "onnxruntime": {"backend": "onnxruntime"},
        "openvino": {"backend": "openvino"},
    }
    rivals = {
        f"{model}: {way}": systems.in_process(folder, options, shape)
        for model, (folder, shape) in models.items()
        for way, options in ways.items()
        if (model, way) != ("ppocr_rec", "onnxruntime")  # paddle2onnx 2.1 makes a model of it that cannot be loaded
    }
    bars = [
        Bar(
            f"{model}: choice / Paddle with oneDNN off",
            ratio((f"{model}: choice", NO_NETWORK), (f"{model}: paddle, oneDNN off", NO_NETWORK)),
            5.0,
        )
        for model in models
    ]
    return Work("The choice of a library", rivals, [(name, NO_NETWORK) for name in rivals], bars, unit="runs/s")


WORKS: dict[str, Callable[[Choice], Work]] = {
    "w1": w1,
    "w1b": w1b,
    "w2": w2,
    "w2b": w2b,
    "w3": w3,
    "ocr": ocr,
    "start": start,
    "choice": chosen,
    "ceiling": ceiling,
}


def _ours(choice: Choice) -> list[str]:
    return [f"ours {flags}".strip() for flags in choice.ours]


def _model(name: str, flags: str) -> list[str]:
    return ["--model", str(prepare.folder(name)), "--name", "model", *shlex.split(flags)]
