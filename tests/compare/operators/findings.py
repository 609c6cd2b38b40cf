"""From results to findings: which operator it was, with which types, for which values; and the file of them."""

import importlib.metadata
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_app.choosing import known_faults
from tests.compare.operators.case import FLOATS

_PACKAGES = ("paddlepaddle", "paddle2onnx", "onnxruntime", "openvino")
_BESIDE = frozenset(
    (
        *("cast", "Cast", "reshape", "reshape2", "scale", "assign", "shape", "shape64", "slice", "squeeze", "squeeze2"),
        *("unsqueeze", "unsqueeze2", "combine", "builtin.split", "transpose", "transpose2", "concat", "stack"),
        *("full_like", "fill_any_like", "increment", "data", "full_with_tensor", "arange", "range"),
    )
)
"""What stands beside the operator that a case is about."""
_LARGE = ("scale_large", "constant_beyond")
_MAKERS = {"paddle2": "fill_constant", "paddle3": "full"}
_WHOLE = {"int64", "int32"}
_ORDER = ("ordinary", "wide", "beyond", "ties", "overflow", "special")
_VALUES = {"ordinary": "any", "wide": "large", "beyond": "beyond", "ties": "ties"}
_HARMLESS = ("op_", "with_quant", "use_", "mkldnn", "place", "name", "__")
"""How attributes begin that say nothing about what is computed."""


Case = tuple[dict[str, Any], str, str]
"""Its attributes, which values are wrong, and an example; both empty where it is right."""
Key = tuple[str, str, str, frozenset[str], frozenset[str]]
"""Form, library, operators, takes, gives."""


def read(file: Path) -> list[dict[str, Any]]:
    """The results in a file; none where there is no file."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text().splitlines() if line]


def of(results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The groups of `known_faults.json`."""
    tried = _tried(results)
    groups: dict[str, dict[str, Any]] = {}
    for (form, library, name, takes, gives), cases in sorted(tried.items(), key=lambda item: repr(_plain(item[0]))):
        for values, told in _faults(cases, is_whole=bool(gives & {"int64", "int32"})):
            group = {
                "form": form,
                "library": library,
                "takes": sorted(takes),
                "gives": sorted(gives),
                "values": values,
            }
            kept = groups.setdefault(json.dumps(group), {**group, "operators": {}})
            kept["operators"].setdefault(name, told)
    return list(groups.values())


def write(groups: list[dict[str, Any]]) -> None:
    """Put findings where the choice reads them."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    lines = []
    for group in groups:
        head = {key: value for key, value in group.items() if key != "operators"}
        told = ",\n".join(f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(group["operators"].items()))
        lines.append(f'{json.dumps(head)[:-1]}, "operators": {{\n{told}\n}}}}')
    text = ",\n".join(lines)
    known_faults.FILE.write_text(f'{{"versions": {json.dumps(versions)},\n"faults": [\n{text}\n]}}\n', encoding="utf-8")


def report(groups: Sequence[dict[str, Any]], results: Sequence[dict[str, Any]]) -> str:
    """Counts for people: of programs by what became of them, and of operators that are wrong."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for form, library, feeds in _runs(results):
        counts[f"{form:8} {library}"][_became(feeds)] += 1
    lines = [f"{len(results)} programs (a case with one element type)"]
    for way, count in sorted(counts.items()):
        lines.append(f"  {way:24}" + ", ".join(f"{count[word]} {word}" for word in _WORDS if count[word]))
    wrong: Counter[str] = Counter()
    for group in groups:
        wrong[f"{group['form']:8} {group['library']:16} {group['values']}"] += len(group["operators"])
    lines += ["wrong operators, by the values that show it", *(f"  {way}: {n}" for way, n in sorted(wrong.items()))]
    return "\n".join(lines)


_WORDS = ("right", "wrong", "wrong for large numbers", "wrong for rare values", "refused", "crash")


def _became(feeds: dict[str, str]) -> str:
    if any(words.startswith("crash") for words in feeds.values()):
        return "crash"
    wrong = [name for name, words in feeds.items() if words.startswith("wrong")]
    if wrong:
        first = min(wrong, key=_ORDER.index)
        return {"ordinary": "wrong", "wide": _WORDS[2], "beyond": _WORDS[2]}.get(first, _WORDS[3])
    return "refused" if feeds.get("ordinary", "").startswith("refused") else "right"


def _runs(results: Iterable[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, str]]]:
    for result in results:
        for form, told in result["forms"].items():
            for library, feeds in told.get("libraries", {}).items():
                yield form, library, feeds


def _tried(results: Sequence[dict[str, Any]]) -> dict[Key, list[Case]]:
    """Programs about one operator first: what they explain is not said of others."""
    found: dict[Key, list[Case]] = defaultdict(list)
    several, constants = [], []
    for result in results:
        for form, told in result["forms"].items():
            if not told.get("operators"):
                continue
            mains = _mains(told["operators"])
            for library, given in told["libraries"].items():
                feeds = _as_wide(given) if result["case"] in _LARGE else given
                if any(not words.startswith(("refused", "crash")) for words in feeds.values()):
                    if result["case"] == "constant_beyond":
                        constants.append((form, library, mains, feeds, result["type"]))
                    elif len({main["operator"] for main in mains}) == 1:
                        _add(found, form, library, mains[0], feeds)
                    else:
                        several.append((form, library, told["operators"], mains, feeds, result["type"]))
    for form, library, mains, feeds, element_type in constants:
        if not any(_explains(found, form, library, main) for main in mains):
            maker = {"operator": _MAKERS[form], "takes": [], "gives": [element_type], "attributes": {}}
            _add(found, form, library, maker, feeds)
    for form, library, operators, mains, feeds, element_type in several:
        wrong = {name for name, words in feeds.items() if words.startswith("wrong")}
        if wrong and not any(_explains(found, form, library, operator) for operator in operators):
            names = "+".join(sorted({main["operator"] for main in mains}))
            whole = {"operator": names, "takes": [element_type], "gives": [], "attributes": {}}
            _add(found, form, library, whole, feeds)
    return found


def _as_wide(feeds: dict[str, str]) -> dict[str, str]:
    """Of a case with a large constant in it: ordinary inputs give large numbers there."""
    return {"wide": feeds.get("ordinary", "")} | {
        name: w for name, w in feeds.items() if name not in ("ordinary", "ties")
    }


def _mains(operators: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [operator for operator in operators if operator["operator"] not in _BESIDE] or operators


def _add(
    found: dict[Key, list[Case]], form: str, library: str, operator: dict[str, Any], feeds: dict[str, str]
) -> None:
    key = _key(form, library, operator)
    attributes = {k: v for k, v in operator["attributes"].items() if not k.startswith(_HARMLESS)}
    wrong = [name for name in _ORDER if feeds.get(name, "").startswith("wrong")]
    example = feeds[wrong[0]].removeprefix("wrong: ") if wrong else ""
    values = _values_of(wrong[0], operator) if wrong else ""
    found[key].append((attributes, "shape" if "shape: " in example else values, example))


def _values_of(first: str, operator: dict[str, Any]) -> str:
    """In the words of `known_faults`: of a float, large numbers show that it was computed in fewer bits, or clipped."""
    takes, gives = set(operator["takes"]), set(operator["gives"])
    is_whole = gives & _WHOLE or takes & _WHOLE and not takes & set(FLOATS)
    if first in ("wide", "beyond") and not is_whole:
        return "any" if "float64" in takes | gives else "extreme"
    return _VALUES.get(first, first)


def _key(form: str, library: str, operator: dict[str, Any]) -> Key:
    return form, library, operator["operator"], frozenset(operator["takes"]), frozenset(operator["gives"])


def _explains(found: dict[Key, list[Case]], form: str, library: str, operator: dict[str, Any]) -> bool:
    return any(values for _, values, _ in found.get(_key(form, library, operator), ()))


def _faults(cases: list[Case], *, is_whole: bool) -> Iterator[tuple[str, Any]]:
    """What was wrong by the values that showed it, with the attributes that tell wrong cases from the others."""
    worse: list[str] = []
    for values in (*known_faults.DECIDING, "shape", "extreme", "ties", "overflow", "special"):
        worse.append(values)
        wrong = [(attributes, example) for attributes, how, example in cases if how == values]
        if not wrong:
            continue
        told: dict[str, Any] = {"example": wrong[0][1]}
        others = [attributes for attributes, how, _ in cases if how not in worse]
        if values in known_faults.DECIDING and others:
            told |= _conditions([attributes for attributes, _ in wrong], others, is_whole=is_whole)
        yield values, told if len(told) > 1 else told["example"]


def _conditions(wrong: list[dict[str, Any]], right: list[dict[str, Any]], *, is_whole: bool) -> dict[str, Any]:
    """What the attributes of the wrong cases have that those of the right ones have not, if there is such a thing."""
    names = sorted({name for attributes in wrong for name in attributes})
    fractional = [name for name in names if _is_fractional_in(name, wrong) and not _is_fractional_in(name, right)]
    if is_whole and all(
        any(known_faults.is_fractional(attributes.get(name)) for name in fractional) for attributes in wrong
    ):
        return {"fractional": fractional}
    for name in names:
        if found := _unless(name, wrong, right):
            return found
    # Two together: only where the one is so, the other decides.
    for first in names:
        bad = {_text(attributes, first) for attributes in wrong}
        alike = [attributes for attributes in right if _text(attributes, first) in bad]
        if len(alike) < len(right):
            for name in names:
                if found := _unless(name, wrong, alike):
                    return {"when": {first: [json.loads(value) for value in sorted(bad)]}} | found
    return {}


def _unless(name: str, wrong: list[dict[str, Any]], right: list[dict[str, Any]]) -> dict[str, Any]:
    """What an attribute alone tells, if it does; what was not tried counts as wrong where that is the likelier."""
    bad, good = ({_text(attributes, name) for attributes in cases} for cases in (wrong, right))
    if bad & good:
        return {}
    is_number = all(isinstance(attributes.get(name), float) for attributes in wrong)
    key, values = ("unless", good) if is_number or len(good) <= len(bad) else ("when", bad)
    return {key: {name: [json.loads(value) for value in sorted(values)]}}


def _text(attributes: dict[str, Any], name: str) -> str:
    return json.dumps(attributes.get(name))


def _is_fractional_in(name: str, cases: list[dict[str, Any]]) -> bool:
    return any(known_faults.is_fractional(attributes.get(name)) for attributes in cases)


def _plain(key: Key) -> tuple[Any, ...]:
    return (*key[:3], sorted(key[3]), sorted(key[4]))
