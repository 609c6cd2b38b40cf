"""Configs as a model.py has them: dictionaries to look things up in, and `ModelConfig`, which it completes."""

import copy
import json
from collections.abc import Mapping
from typing import Any, Final

_SCHEDULERS: Final = ("sequence_batching", "ensemble_scheduling")


def get_input_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What a config says of an input; None where there is none of that name."""
    return _named(model_config.get("input", []), name)


def get_output_config_by_name(model_config: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    """What a config says of an output; None where there is none of that name."""
    return _named(model_config.get("output", []), name)


def using_decoupled_model_transaction_policy(model_config: Mapping[str, Any]) -> bool:
    """Whether a request may have any number of answers."""
    return bool(model_config.get("model_transaction_policy", {}).get("decoupled", False))


class ModelConfig:
    """What `auto_complete_config` of a model.py is given, and gives back."""

    def __init__(self, model_config: str) -> None:
        """Take a config as JSON."""
        self._fields: dict[str, Any] = json.loads(model_config)

    def as_dict(self) -> dict[str, Any]:
        """All of it."""
        return self._fields

    def set_max_batch_size(self, max_batch_size: int) -> None:
        """Say how many rows may come at once.

        Raises:
            ValueError: config.pbtxt says more than that.
        """
        if (given := self._fields.get("max_batch_size", 0)) > max_batch_size:
            raise ValueError(
                f"configuration specified max_batch_size {given}, but in auto-complete-config function for model "
                f"'{self._name}' specified max_batch_size {max_batch_size}"
            )
        self._fields["max_batch_size"] = max_batch_size

    def set_dynamic_batching(self) -> None:
        """Have requests joined.

        Raises:
            ValueError: config.pbtxt says otherwise.
        """
        if found := [scheduler for scheduler in _SCHEDULERS if scheduler in self._fields]:
            raise ValueError(
                f"Configuration specified scheduling_choice as '{found[0]}', but auto-complete-config function for "
                f"model '{self._name}' tries to set scheduling_choice as 'dynamic_batching'"
            )
        self._fields.setdefault("dynamic_batching", {})

    def set_model_transaction_policy(self, transaction_policy_dict: Mapping[str, Any]) -> None:
        """Say whether a request may have any number of answers: `{"decoupled": True}`.

        Raises:
            ValueError: there is something else in it, or config.pbtxt says otherwise.
        """
        if set(transaction_policy_dict) - {"decoupled"}:
            raise ValueError(
                f"model transaction property in auto-complete-config function for model '{self._name}' contains "
                "property other than 'decoupled'."
            )
        policy = self._fields.setdefault("model_transaction_policy", {})
        for key, value in transaction_policy_dict.items():
            if policy.setdefault(key, value) != value:
                raise ValueError(
                    f"trying to change decoupled property in auto-complete-config for model '{self._name}', which is "
                    f"already set to '{policy[key]}'."
                )

    def add_input(self, input: Mapping[str, Any]) -> None:
        """Say that there is an input: its `name`, `data_type`, `dims`, and perhaps `optional`.

        Raises:
            ValueError: one of these is missing, something else is there, or config.pbtxt says otherwise.
        """
        self._add("input", input, ("name", "data_type", "dims", "optional"))

    def add_output(self, output: Mapping[str, Any]) -> None:
        """Say that there is an output: its `name`, `data_type` and `dims`.

        Raises:
            ValueError: one of these is missing, something else is there, or config.pbtxt says otherwise.
        """
        self._add("output", output, ("name", "data_type", "dims"))

    @property
    def _name(self) -> str:
        return str(self._fields.get("name", ""))

    def _add(self, kind: str, given: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
        where = f"in auto-complete-config function for model '{self._name}'"
        if set(given) - set(allowed):
            names = ", ".join(f"'{name}'" for name in allowed[:-1])
            raise ValueError(
                f"{kind} '{given.get('name')}' {where} contains property other than {names} and '{allowed[-1]}'."
            )
        for needed in allowed[:3]:
            if needed not in given:
                which = f" '{given['name']}'" if "name" in given else ""
                raise ValueError(f"{kind}{which} {where} is missing '{needed}' property.")
        tensors = self._fields.setdefault(kind, [])
        known = _named(tensors, given["name"])
        if known is None:
            tensors.append(copy.deepcopy(dict(given)))
        else:
            self._agree(kind, known, given)
            known.update(given)

    def _agree(self, kind: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        datatype = known.get("data_type", "TYPE_INVALID")
        if datatype not in ("TYPE_INVALID", given["data_type"]):
            raise ValueError(
                f"unable to load model '{self._name}', configuration expects datatype {datatype} for {kind} "
                f"'{given['name']}', model provides {given['data_type']}"
            )
        for what in ("dims", "optional"):
            empty: Any = [] if what == "dims" else None
            if what in given and known.get(what, empty) not in (empty, given[what]):
                raise ValueError(
                    f"model '{self._name}', tensor '{given['name']}': the model expects {what} {given[what]} but the "
                    f"model configuration specifies {what} {known[what]}"
                )


def _named(tensors: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((tensor for tensor in tensors if tensor.get("name") == name), None)
