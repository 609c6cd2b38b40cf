"""Settings of traces and of the log, as KServe v2 reads and changes them.

Traces of Triton are files that the server writes by itself; here one is recorded when somebody asks, so that the
level is OFF, and the other settings are kept for those who look whether they were taken. What is said of the log is the
level of this process.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from paddle_serving_client.errors import BadInput, BadPacket, NoMethod
from paddle_serving_client.wire.kserve_settings import Setting
from paddle_serving_server.services.catalogue import Catalogue

_TRACE: Final[Mapping[str, Setting]] = {
    "trace_level": ["OFF"],
    "trace_rate": "1000",
    "trace_count": "-1",
    "log_frequency": "0",
    "trace_file": "",
    "trace_mode": "triton",
}
_NUMBERS: Final = ("trace_rate", "trace_count", "log_frequency")
_FIXED: Final = {"trace_file": "trace file location", "trace_mode": "trace mode"}
_FLAGS: Final = {"log_info": logging.INFO, "log_warning": logging.WARNING, "log_error": logging.ERROR}
_NOTHING: Final = logging.CRITICAL + 1
_changed: WeakKeyDictionary[Catalogue, dict[str, dict[str, Setting]]] = WeakKeyDictionary()
"""By model; an empty name: of the server."""


def trace(catalogue: Catalogue, model: str = "") -> Mapping[str, Setting]:
    """The settings of traces, of one model or of the server."""
    changed = _changed.get(catalogue, {})
    return {**_TRACE, **changed.get("", {}), **(changed.get(model, {}) if model else {})}


def change_trace(catalogue: Catalogue, wanted: Mapping[str, Any], model: str = "") -> None:
    """Change settings of traces; names that are none are left out, as Triton does. None is the value it began with.

    Raises:
        NoMethod: traces are to be written, or several processes would have to know of it.
        BadInput: a value that is none, or a setting that cannot be changed.
    """
    found: dict[str, Setting] = {}
    for name, value in wanted.items():
        if name not in _TRACE:
            continue
        said = _TRACE[name] if value is None else value
        _refuse_trace(name, said)
        found[name] = said
    if not found:
        return
    _refuse_several(catalogue)
    _changed.setdefault(catalogue, {}).setdefault(model, {}).update(found)


def _refuse_trace(name: str, value: Any) -> None:
    if name == "trace_level":
        if value not in ("OFF", ["OFF"]):
            raise NoMethod(f"trace_level {value!r}: this server writes no traces by itself; POST /trace records one")
    elif name in _FIXED:
        if value != _TRACE[name]:
            raise BadInput(f"{_FIXED[name]} can not be updated through network protocol")
    elif not isinstance(value, str) or not value.removeprefix("-").isdecimal():
        raise BadInput(f"{name} is a whole number as a text, got {value!r}")


def log() -> Mapping[str, Setting]:
    """The settings of the log of this process."""
    level = logging.getLogger().getEffectiveLevel()
    flags: dict[str, Setting] = {name: level <= needed for name, needed in _FLAGS.items()}
    verbose = int(level <= logging.DEBUG)
    return {"log_file": "", **flags, "log_verbose_level": verbose, "log_format": "default"}


def change_log(catalogue: Catalogue, wanted: Mapping[str, Any]) -> None:
    """Change the level of the log; names that are none are left out, as Triton does.

    Each level is written with all above it: the lowest one that is wanted counts.

    Raises:
        BadPacket: a value of another kind. BadInput: a setting that cannot be changed.
        NoMethod: several processes would have to know of it.
    """
    settings = {**log(), **{name: value for name, value in wanted.items() if name in log()}}
    for name in _FLAGS:
        if not isinstance(settings[name], bool):
            raise BadPacket("attempt to access JSON non-boolean as boolean")
    verbose = settings["log_verbose_level"]
    if isinstance(verbose, bool) or not isinstance(verbose, int) or verbose < 0:
        raise BadPacket("attempt to access JSON non-unsigned-integer as unsigned-integer")
    if settings["log_file"] != "":
        raise BadInput("log file location can not be updated through network protocol")
    if settings["log_format"] != "default":
        raise BadInput(f"log_format {settings['log_format']!r}: lines have one format here, 'default'")
    if settings == log():
        return
    _refuse_several(catalogue)
    levels = [level for name, level in _FLAGS.items() if settings[name]]
    logging.getLogger().setLevel(logging.DEBUG if verbose else min(levels, default=_NOTHING))


def _refuse_several(catalogue: Catalogue) -> None:
    if catalogue.config.fronts > 1:
        raise NoMethod(f"settings are changed in one process, and {catalogue.config.fronts} answer; use --fronts 1")
