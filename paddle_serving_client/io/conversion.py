"""From an exported model to the two folders of a served one."""

import dataclasses
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddle_serving_client import dtype, model_config
from paddle_serving_client.encryption import KEY
from paddle_serving_client.errors import BadConfig, BadModel
from paddle_serving_client.io import folders, sealing, source
from paddle_serving_client.io.sealing import Sealing
from paddle_serving_client.io.source import Names, Source
from paddle_serving_client.model_config import ModelSpec, Variable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was read, and the config that was made of it."""

    source: Source
    spec: ModelSpec


def inference_model_to_serving(
    dirname: str | Path,
    serving_server: str | Path = "serving_server",
    serving_client: str | Path = "serving_client",
    model_filename: str | None = None,
    params_filename: str | None = None,
    encryption: bool = False,
    key_len: int = 128,
    encrypt_conf: object = None,
    show_proto: bool = False,
    feed_alias_names: str | None = None,
    fetch_alias_names: str | None = None,
    key_file: str | Path = KEY,
) -> tuple[list[str], list[str]]:
    """Make the server's and the client's folder of an exported model (Paddle 1, 2, 3, or ONNX); needs no Paddle.

    Args:
        dirname: the folder of the exported model.
        serving_server: gets the model's files, `serving_server_conf.prototxt` in both forms, and `manifest.json`.
        serving_client: gets `serving_client_conf.prototxt` in both forms.
        model_filename: the program in `dirname`; None: find it by its usual name.
        params_filename: its parameters; None: find them, in one file or in one file each.
        encryption: write the model encrypted, as `encrypt_model` and `encrypt_params`.
        key_len: bits of a new key: 128, 192 or 256.
        encrypt_conf: not taken: there is one cipher.
        show_proto: print the config and write nothing.
        feed_alias_names: the names callers will use for the inputs, in the program's order, with commas between.
        fetch_alias_names: likewise for the outputs; for Paddle 1 and 2 programs in the order of their real names, as
            scripts for Paddle Serving 0.9 give them.
        key_file: with encryption, the key; where it is not there, a new key is written to it.

    Returns:
        The real names of the inputs and of the outputs, in the order of the config, which is the program's.

    Raises:
        BadModel: the model is missing, damaged or of a kind that is not read here.
        BadConfig: the aliases do not fit, or a folder or the key cannot be used.
        MissingLibrary: encryption was asked for, and `cryptography` is not installed.
    """
    spec = convert(
        dirname,
        serving_server,
        serving_client,
        Names(model=model_filename, params=params_filename),
        feed_alias_names,
        fetch_alias_names,
        show_proto=show_proto,
        sealed=sealing.asked(encryption, key_len, encrypt_conf, key_file),
    ).spec
    return [feed.name for feed in spec.feeds], [fetch.name for fetch in spec.fetches]


def convert(
    dirname: str | Path,
    server: str | Path,
    client: str | Path,
    names: Names,
    feed_aliases: str | None,
    fetch_aliases: str | None,
    *,
    show_proto: bool,
    sealed: Sealing | None = None,
) -> Conversion:
    """As `inference_model_to_serving`, and says what was found."""
    found = source.read(dirname, names, wanted=names)
    logger.info("found in %s: %s", dirname, found)
    spec = _in_order(found, checked_spec(found.feeds, _as_aliased(found), feed_aliases, fetch_aliases))
    finish(found, spec, server, client, show_proto=show_proto, sealed=sealed)
    return Conversion(found, spec)


def _refuse_unservable(found: Source) -> None:
    """Raise BadModel for an input or output that no caller could send or get, while its model can still be changed."""
    for kind, variables in (("input", found.feeds), ("output", found.fetches)):
        for var in variables:
            if dtype.numpy_of(var.elem_type) is not None or (found.may_lack_types and var.elem_type == dtype.UNKNOWN):
                continue
            is_known = var.elem_type != dtype.UNKNOWN
            what = dtype.name_of(var.elem_type) if is_known else "no tensor of numbers (text, a list, a sparse tensor)"
            remedy = "cast it in the model, to float32 or int64" if is_known else "export the model without it"
            raise BadModel(f"{found}: {kind} {var.name!r} is {what}, which cannot be served: {remedy}")


def finish(
    found: Source,
    spec: ModelSpec,
    server: str | Path,
    client: str | Path,
    *,
    show_proto: bool,
    sealed: Sealing | None = None,
) -> None:
    """Write the folders, or only print the config.

    Raises:
        BadModel: an input or output is of a type that cannot be served.
    """
    _refuse_unservable(found)
    if show_proto:
        sys.stdout.write(model_config.to_text(spec))
        return
    if sealed is None:
        folders.write_pair(server, client, found.files, spec)
    else:
        files = sealed.renamed(found)
        with sealed.key() as key:
            folders.write_pair(server, client, files, spec, key)
    logger.debug("wrote %s and %s", server, client)


def _as_aliased(found: Source) -> Sequence[Variable]:
    """The outputs in the order in which scripts give aliases."""
    return found.fetches if found.has_ordered_fetches else sorted(found.fetches, key=lambda fetch: fetch.name)


def _in_order(found: Source, spec: ModelSpec) -> ModelSpec:
    """The outputs in the program's order: that of a detector is boxes first, whatever their names are."""
    by_name = {fetch.name: fetch for fetch in spec.fetches}
    return dataclasses.replace(spec, fetches=tuple(by_name[fetch.name] for fetch in found.fetches))


def checked_spec(
    feeds: Sequence[Variable], fetches: Sequence[Variable], feed_aliases: str | None, fetch_aliases: str | None
) -> ModelSpec:
    """The config with the aliases given as comma lists; one that our own reader takes.

    Raises:
        BadConfig: the number of aliases is not that of the variables, or two are the same.
    """
    spec = ModelSpec(
        _renamed("feed", feeds, feed_aliases),
        _renamed("fetch", fetches, fetch_aliases),
    )
    try:
        text = model_config.to_text(spec)
    except UnicodeEncodeError as exc:  # an argument that is not UTF-8
        raise BadConfig("an alias is not text") from exc
    return model_config.parse(text, source="the new config")


def _renamed(kind: str, variables: Sequence[Variable], aliases: str | None) -> tuple[Variable, ...]:
    if not aliases:
        return tuple(variables)
    names = [alias.strip() for alias in aliases.split(",")]
    if len(names) != len(variables) or not all(names):
        raise BadConfig(
            "please check the input --feed_alias_names and --fetch_alias_names, should be same size with feed_vars and "
            f"fetch_vars: {kind} aliases {names} were given for {[variable.name for variable in variables]}"
        )
    return tuple(dataclasses.replace(var, alias=name) for var, name in zip(variables, names, strict=True))
