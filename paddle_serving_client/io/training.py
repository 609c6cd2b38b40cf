"""From a program or a layer in memory, at the end of training, to the two folders of a served model. Needs Paddle."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from paddle_serving_client.encryption import KEY
from paddle_serving_client.errors import BadConfig, BadModel, MissingLibrary
from paddle_serving_client.io import sealing, source
from paddle_serving_client.io.conversion import checked_spec, finish
from paddle_serving_client.io.params import DEFAULT_NAME
from paddle_serving_client.io.source import Names, Source
from paddle_serving_client.model_config import Variable

_STEM = "model"
_MAX_MESSAGE = 1024  # characters from its end, where Paddle puts the reason


def save_model(
    server_model_folder: str | Path,
    client_config_folder: str | Path,
    feed_var_dict: Mapping[str, Any],
    fetch_var_dict: Mapping[str, Any],
    main_program: Any = None,
    encryption: bool = False,
    key_len: int = 128,
    encrypt_conf: object = None,
    model_filename: str | None = None,
    params_filename: str | None = None,
    show_proto: bool = False,
    feed_alias_names: str | None = None,
    fetch_alias_names: str | None = None,
    key_file: str | Path = KEY,
) -> None:
    """Make the server's and the client's folder of a static program, or of a `paddle.nn.Layer`.

    Of a program, the dicts map aliases to its variables; what the outputs do not need is cut off:

        save_model("uci_housing_model", "uci_housing_client", {"x": x}, {"price": y}, main_program)

    Of a layer, `feed_var_dict` maps aliases to `paddle.static.InputSpec` (or to an example tensor), in the order of
    `forward`, and `fetch_var_dict` maps aliases to the positions of the outputs, None meaning the next one:

        save_model("uci_housing_model", "uci_housing_client", {"x": InputSpec([None, 13])}, {"price": None}, layer)

    The layer is saved as in `eval()`; afterwards it trains on as before.

    Args:
        server_model_folder: gets the program, its parameters, the config in both forms, and `manifest.json`.
        client_config_folder: gets the config in both forms.
        feed_var_dict: the inputs by alias.
        fetch_var_dict: the outputs by alias; the config holds them sorted by alias.
        main_program: the program, None for the default one; or a layer.
        encryption: write the model encrypted, as `encrypt_model` and `encrypt_params`.
        key_len: bits of a new key: 128, 192 or 256.
        encrypt_conf: not taken: there is one cipher.
        model_filename: name of the program's file; None: `model.json`, or `model.pdmodel` where Paddle is told to use
            its old form of programs. A name with the ending of the other form gets the right one.
        params_filename: name of the parameters' file; None: `params.pdiparams`.
        show_proto: print the config and write nothing.
        feed_alias_names: other aliases for the inputs, in the order of the dict, with commas between.
        fetch_alias_names: likewise for the outputs, in sorted order.
        key_file: with encryption, the key; where it is not there, a new key is written to it.

    Raises:
        BadModel: Paddle cannot save the program.
        BadConfig: the names do not fit, or a folder cannot be used.
        MissingLibrary: Paddle is not installed.
    """
    sealed = sealing.asked(encryption, key_len, encrypt_conf, key_file)
    paddle = _paddle()
    wanted = Names(model=model_filename, params=params_filename or DEFAULT_NAME)
    save = _save_layer if isinstance(main_program, paddle.nn.Layer) else _save_program
    with tempfile.TemporaryDirectory(prefix="serving_") as folder:
        found, feeds, fetches = save(paddle, Path(folder), main_program, feed_var_dict, fetch_var_dict, wanted)
        spec = checked_spec(feeds, fetches, feed_alias_names, fetch_alias_names)
        finish(found, spec, server_model_folder, client_config_folder, show_proto=show_proto, sealed=sealed)


def save_dygraph_model(
    serving_model_folder: str | Path,
    client_config_folder: str | Path,
    model: Any,
    input_spec: Sequence[Any] | None = None,
) -> None:
    """Make the server's and the client's folder of a `paddle.nn.Layer`, with the real names as aliases.

    Args:
        serving_model_folder: as in `save_model`.
        client_config_folder: as in `save_model`.
        model: the layer.
        input_spec: what `paddle.jit.save` takes; None where `paddle.jit.to_static` was told.

    Raises:
        BadModel: Paddle cannot save the layer.
        BadConfig: a folder cannot be used.
        MissingLibrary: Paddle is not installed.
    """
    paddle = _paddle()
    with tempfile.TemporaryDirectory(prefix="serving_") as folder:
        _jit_save(paddle, Path(folder), model, input_spec)
        found = source.read(folder, wanted=Names(params=DEFAULT_NAME))
        spec = checked_spec(found.feeds, found.fetches, None, None)
        finish(found, spec, serving_model_folder, client_config_folder, show_proto=False)


_Saved = tuple[Source, list[Variable], list[Variable]]
"""What was written, and its inputs and outputs under their aliases, in the order of the config."""


def _save_program(
    paddle: Any, folder: Path, program: Any, feeds: Mapping[str, Any], fetches: Mapping[str, Any], wanted: Names
) -> _Saved:
    aliases = sorted(fetches)
    with _translated("program"):
        paddle.static.save_inference_model(
            str(folder / _STEM),
            list(feeds.values()),
            [fetches[alias] for alias in aliases],
            paddle.static.Executor(paddle.CPUPlace()),
            program=paddle.static.default_main_program() if program is None else program,
        )
        names = {alias: var.name for alias, var in feeds.items()}
    found = source.read(folder, wanted=wanted)
    if len(found.fetches) != len(aliases):
        raise BadConfig(f"{len(aliases)} outputs are named ({', '.join(aliases)}), but some are the same variable")
    return found, _aliased(found, names), [_alias(var, name) for var, name in zip(found.fetches, aliases, strict=True)]


def _save_layer(
    paddle: Any, folder: Path, layer: Any, feeds: Mapping[str, Any], fetches: Mapping[str, Any], wanted: Names
) -> _Saved:
    with _translated("layer"):
        specs = {alias: _input_spec(paddle, alias, value) for alias, value in feeds.items()}
    positions = {alias: k if position is None else position for k, (alias, position) in enumerate(fetches.items())}
    _jit_save(paddle, folder, layer, list(specs.values()))
    found = source.read(folder, wanted=wanted)
    count = len(found.fetches)
    if len(set(positions.values())) != len(positions) or not set(positions.values()) <= set(range(count)):
        raise BadConfig(f"fetch_var_dict maps {dict(fetches)}, but the layer has {count} outputs, each for one alias")
    chosen = sorted(positions.values())
    if len(chosen) < count:
        if not paddle.framework.use_pir_api():
            raise BadConfig(f"fetch_var_dict names {len(chosen)} of {count} outputs; Paddle's old programs need all")
        _jit_save(paddle, folder, layer, list(specs.values()), output_spec=chosen)
        found = source.read(folder, wanted=wanted)
    saved_as = {alias: found.fetches[chosen.index(position)] for alias, position in positions.items()}
    names = {alias: spec.name for alias, spec in specs.items()}
    return found, _aliased(found, names), [_alias(saved_as[alias], alias) for alias in sorted(saved_as)]


def _jit_save(paddle: Any, folder: Path, layer: Any, input_spec: Sequence[Any] | None, **options: Any) -> None:
    with _translated("layer"):
        were_training = [(part, part.training) for part in layer.sublayers(include_self=True)]
        layer.eval()
        try:
            paddle.jit.save(layer, str(folder / _STEM), input_spec=input_spec, **options)
        finally:
            for part, was_training in were_training:
                part.training = was_training


def _input_spec(paddle: Any, alias: str, value: Any) -> Any:
    if isinstance(value, paddle.static.InputSpec):
        return paddle.static.InputSpec(value.shape, value.dtype, name=value.name or alias)
    return paddle.static.InputSpec.from_tensor(value, name=alias)


def _aliased(found: Source, names: Mapping[str, str]) -> list[Variable]:
    """The inputs in the order of `names` (alias -> real name)."""
    by_name = {feed.name: feed for feed in found.feeds}
    unused = [alias for alias, name in names.items() if name not in by_name]
    if unused:
        raise BadModel(f"the outputs do not depend on input {', '.join(map(repr, unused))}: leave it out")
    unnamed = sorted(by_name.keys() - set(names.values()))
    if unnamed:
        raise BadConfig(f"the outputs need input {', '.join(map(repr, unnamed))}, which feed_var_dict does not name")
    return [_alias(by_name[name], alias) for alias, name in names.items()]


def _alias(var: Variable, alias: str) -> Variable:
    return Variable(var.name, alias, var.elem_type, var.shape, var.is_lod)


@contextlib.contextmanager
def _translated(what: str) -> Iterator[None]:
    """The one place where what Paddle raises while saving becomes ours."""
    try:
        yield
    except Exception as exc:
        raise BadModel(f"Paddle cannot save this {what}: {str(exc).strip()[-_MAX_MESSAGE:]}") from exc


def _paddle() -> Any:
    try:
        import paddle
    except ImportError as exc:
        raise MissingLibrary("saving a model needs Paddle: pip install paddlepaddle") from exc
    return paddle
