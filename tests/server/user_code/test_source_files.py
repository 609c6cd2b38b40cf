"""Which files the code of services came from."""

from pathlib import Path

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
