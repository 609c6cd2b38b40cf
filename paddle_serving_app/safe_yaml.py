"""YAML that somebody else wrote, as plain values: within limits, without tags, with no key twice."""

from collections.abc import Collection, Hashable
from typing import Any, Final

from paddle_serving_client.errors import BadConfig, MissingLibrary

MAX_BYTES: Final = 1 << 20
_MAX_NODES: Final = 100_000
"""With what aliases repeat counted each time: a few lines of them can stand for more than any memory holds."""
_MAX_DEPTH: Final = 64


def load(raw: bytes | str, where: str, as_texts: Collection[str] = ()) -> Any:
    """Read a document.

    Args:
        raw: UTF-8.
        where: whose it is, for messages: "model.mar: model-config.yaml".
        as_texts: keys, anywhere, of lists whose items are texts however they are written: `[1, yes, ~]`.

    Returns:
        dict, list, str, int, float, bool, None, and dates as YAML has them; None for an empty document.

    Raises:
        BadConfig: not YAML, over a limit, or a key is there twice; the message names the line.
        MissingLibrary: PyYAML is not installed.
    """
    try:
        import yaml
    except ImportError as exc:
        raise MissingLibrary(f"{where} is YAML, which needs PyYAML: pip install pyyaml") from exc
    if len(raw) > MAX_BYTES:
        raise BadConfig(f"{where}: more than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig") if isinstance(raw, bytes) else raw
        # libyaml reads a dictionary of 20,000 characters in a tenth of the time.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            _check(yaml, node, where, as_texts)
            return loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError, TypeError) as exc:
        if isinstance(exc, BadConfig):
            raise
        raise BadConfig(f"{where}: not YAML that is read here: {' '.join(str(exc).split())[:512]}") from exc


def _check(yaml: Any, root: Any, where: str, as_texts: Collection[str]) -> None:
    """Refuse what is too much, and keys that stand twice, of which readers take the last; mark the lists of texts."""
    waiting = [(root, 0)]
    count = 0
    while waiting:
        node, depth = waiting.pop()
        count += 1
        if count > _MAX_NODES or depth > _MAX_DEPTH:
            raise BadConfig(f"{where}: more than {_MAX_NODES} values, or more than {_MAX_DEPTH} inside each other")
        if isinstance(node, yaml.SequenceNode):
            waiting += [(item, depth + 1) for item in node.value]
        elif isinstance(node, yaml.MappingNode):
            seen: set[Hashable] = set()
            for key, value in node.value:
                name = (key.tag, key.value) if isinstance(key, yaml.ScalarNode) else id(key)
                if name in seen:
                    raise BadConfig(f"{where}: line {key.start_mark.line + 1}: {key.value!r} is there twice")
                seen.add(name)
                if as_texts and isinstance(value, yaml.SequenceNode) and key.value in as_texts:
                    _mark_as_texts(yaml, value)
                waiting += [(key, depth + 1), (value, depth + 1)]


def _mark_as_texts(yaml: Any, node: Any) -> None:
    for item in node.value:
        if isinstance(item, yaml.ScalarNode):
            item.tag = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG
