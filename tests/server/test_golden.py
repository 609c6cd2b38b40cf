"""A server refuses what does not answer the golden sample: at start, and every new version."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests import models
from tests.server.versions import BIAS, ZEROS, engines, price, reload, set_bias, wait_for
from tests.serving import serve


def saved(file: Path, bias: float) -> Path:
    np.savez(file, **{"input.x": np.array([ZEROS], np.float32), "output.price": np.array([[bias]], np.float32)})  # type: ignore[arg-type]  # of numpy: names are free
    return file


@pytest.mark.parametrize("is_in_the_folder", [True, False])
def test_a_version_with_other_weights_is_refused_and_the_old_one_answers(
    tmp_path: Path, is_in_the_folder: bool
) -> None:
    folder = models.uci(tmp_path / "uci")
    file = saved(folder / "golden.npz" if is_in_the_folder else tmp_path / "mine.npz", BIAS)
    flags = ["--model", str(folder), "--reload_interval_s", "0", "--backend", "paddle"]
    with serve(tmp_path, *flags, *([] if is_in_the_folder else ["--golden", str(file)])) as server:
        before = engines(server)
        set_bias(folder, 12.0)
        status, report = reload(server)
        assert (status, report["state"]) == (409, "refused"), report
        assert f"output 'price' is not that of the golden sample {file.name}" in report["reason"]
        assert "at [0, 0] expected 22.738298, got 12.0" in report["reason"]
        assert price(server) == pytest.approx(BIAS, abs=1e-3)
        wait_for(lambda: engines(server) == before)
        saved(file, 12.0)  # what is right has changed, and the file says so
        status, report = reload(server)
        assert status == 200, report
        assert price(server) == pytest.approx(12.0, abs=1e-3)


def test_a_model_that_fails_it_does_not_start(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(models.uci(tmp_path / "made"), tmp_path / "uci"))
    saved(folder / "golden.npz", 12.0)
    expected = pytest.raises(AssertionError, match=r"at \[0, 0\] expected 12.0, got 22.738298")
    with expected, serve(tmp_path, "--model", str(folder)):
        pass
