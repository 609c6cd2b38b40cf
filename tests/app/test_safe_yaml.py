"""YAML of others."""

import pytest

from paddle_serving_app import safe_yaml
from paddle_serving_client.errors import BadConfig


def test_plain_values_are_read() -> None:
    assert safe_yaml.load(b"\xef\xbb\xbfa: {b: [1, x, true, null]}", "f") == {"a": {"b": [1, "x", True, None]}}
    assert safe_yaml.load("", "f") is None
    assert safe_yaml.load("a: &x {b: 1}\nc: {<<: *x, d: 2}", "f") == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}


BOMB = "\n".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}' if k else 'x'] * 10)}]" for k in range(8))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: 1\nb: 2\na: 3", "f: line 3: 'a' is there twice"),
        ("a: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
        ("a: [", "f: not YAML"),
        ("a: 1\n---\nb: 2", "f: not YAML"),
        (b"\xff", "f: not YAML"),
        ("? [1]\n: 2", "f: not YAML"),
        ("[" * 100 + "]" * 100, "more than 64 inside each other"),
        (BOMB, "more than 100000 values"),
        ("a: " + "x" * safe_yaml.MAX_BYTES, "more than 1048576 bytes"),
    ],
)
def test_what_is_none_or_too_much_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(BadConfig) as raised:
        safe_yaml.load(text, "f")
    assert words in str(raised.value)
