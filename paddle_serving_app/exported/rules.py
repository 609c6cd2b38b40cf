"""What is kept of a detector's boxes, as files and callers say it: thresholds, and the rules for pages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar

from paddle_serving_app.exported import options as options_of
from paddle_serving_app.exported.settings import Settings, number
from paddle_serving_app.mar.values import shown
from paddle_serving_app.ops.layout_boxes import BoxRules, Unclip
from paddle_serving_client.errors import BadConfig, BadInput

KNOWN: Final = ("threshold", "layout_nms", "layout_unclip_ratio", "layout_merge_bboxes_mode")
"""What is kept, as the file of a model, one of a pipeline, and callers name it."""
_THRESHOLD = 0.5
_Value = TypeVar("_Value")


def rules_of(values: Mapping[str, Any], labels: Sequence[str], where: str) -> BoxRules:
    """The rules of an exported model's file; `reading_order: true` in it is ours.

    Raises:
        BadConfig: one of them cannot be.
    """
    given = {"threshold": values.get("draw_threshold", _THRESHOLD)}
    given |= {name: values[name] for name in KNOWN[1:] if name in values}
    reads = Settings({"reading_order": values.get("reading_order")}, where).truth("reading_order")
    return ruled(BoxRules(labels=labels, order="reading" if reads else "model"), given, where)


def ruled(rules: BoxRules, given: Mapping[str, Any], where: str) -> BoxRules:
    """Other rules, where something else is given than null.

    Raises:
        BadConfig: one of them cannot be.
    """
    there = {name: given[name] for name in KNOWN if given.get(name) is not None}
    changes: dict[str, Any] = {}
    if "threshold" in there:
        changes["threshold"] = options_of.thresholds_of(there["threshold"], f"{where}: threshold")
    if "layout_nms" in there:
        if there["layout_nms"] not in (True, False):
            raise BadConfig(f"{where}: layout_nms must be true or false, got {shown(there['layout_nms'])}")
        changes["nms"] = bool(there["layout_nms"])
    if "layout_unclip_ratio" in there:
        changes["unclip"] = _by_class(there["layout_unclip_ratio"], f"{where}: layout_unclip_ratio", _unclip)
    if "layout_merge_bboxes_mode" in there:
        changes["merge"] = _by_class(there["layout_merge_bboxes_mode"], f"{where}: layout_merge_bboxes_mode", _merge)
    return replace(rules, **changes)


def changed(rules: BoxRules, options: Mapping[str, Any]) -> BoxRules:
    """Other rules for one call.

    Raises:
        BadInput: one of them cannot be.
    """
    try:
        return ruled(rules, options, "the request")
    except BadConfig as exc:
        raise BadInput(str(exc)) from exc


def _by_class(value: object, where: str, read: Callable[[object, str], _Value]) -> _Value | dict[int, _Value]:
    if not isinstance(value, Mapping):
        return read(value, where)
    return {options_of.class_number(key, where): read(item, where) for key, item in value.items()}


def _unclip(value: object, where: str) -> Unclip:
    pair = value if isinstance(value, list) else [value, value]
    if len(pair) != 2:
        raise BadConfig(f"{where} must be a number, or one for the width and one for the height; got {shown(value)}")
    return number(pair[0], where, 0.0), number(pair[1], where, 0.0)


def _merge(value: object, where: str) -> Any:
    if not isinstance(value, str):
        raise BadConfig(f"{where} must be union, large or small, got {shown(value)}")
    return value
