"""Which files the code of services came from, and where in them something went wrong."""

from pathlib import Path

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.user_code import hosting, namespaces, source_files

_SERVICE = """
import {helper}
from paddle_serving_server.web_service import WebService
class Doubled(WebService):
    def preprocess(self, feed=[], fetch=[]):
        return {{"x": 2 * feed[0]["x"]}}, fetch, True
Doubled(name="doubled").run_web_service()
"""


def test_modules_beside_a_service_file_are_its_files(tmp_path: Path) -> None:
    (tmp_path / "beside_it_only.py").write_text("A = 1\n")
    file = tmp_path / "service.py"
    file.write_text(_SERVICE.format(helper="beside_it_only"))
    namespaces.add([tmp_path])
    hosting.services_of(file)
    assert source_files.loaded_from([str(file)]) == [str(file), str(tmp_path / "beside_it_only.py")]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a = 1\nraise ValueError('no')\n", "broken_beside.py, line 2"),
        ("a = 1\ndef b(:\n", "broken_beside.py, line 2"),
    ],
)
def test_a_fault_has_its_file_and_line(text: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "broken_beside.py").write_text(text)
    file = tmp_path / "service.py"
    file.write_text(_SERVICE.format(helper="broken_beside"))
    namespaces.add([tmp_path])
    with pytest.raises((ValueError, SyntaxError)) as raised:
        hosting.services_of(file)
    assert source_files.place_of(raised.value, [str(file)]) == str(tmp_path / place)


def test_a_fault_elsewhere_has_no_place(tmp_path: Path) -> None:
    with pytest.raises(BadConfig) as raised:
        hosting.services_of(tmp_path / "missing.py")
    assert source_files.place_of(raised.value, [str(tmp_path / "missing.py")]) == ""
