"""Where in the files of a user something went wrong."""

import runpy
from pathlib import Path

import pytest

from paddle_serving_app import fault_place


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a = 1\nraise ValueError('no')\n", "line 2: ValueError: no"),
        ("a = 1\ndef b(:\n", "line 2: SyntaxError: invalid syntax"),
        ("def b():\n    return {}['x']\nb()\n", "line 2: KeyError: 'x'"),
        ("import json\njson.loads('{')\n", "line 2: JSONDecodeError: "),
    ],
)
def test_a_fault_has_its_file_and_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "code.py"
    file.write_text(text)
    with pytest.raises((ValueError, SyntaxError, KeyError)) as raised:
        runpy.run_path(str(file))
    assert fault_place.told(raised.value, [tmp_path]).startswith(f"{file}, {told}")


def test_a_fault_elsewhere_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        1 / 0  # noqa: B018
    assert fault_place.told(raised.value, [tmp_path]) == "ZeroDivisionError: division by zero"
