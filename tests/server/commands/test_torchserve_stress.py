"""A classifier of posters, from its upload to the best settings: by curl, by an async client, under load."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddle_serving_client import aio
from paddle_serving_client.errors import BadInput, Busy, ServingError
from paddle_serving_server.commands import bench
from tests import torchserves
from tests.data import torchserve as recorded
from tests.torchserves import TorchServe

PICTURES = recorded.pictures()
ANSWERS = [answer for _, answer in recorded.answers()["batch_4_parallel"]["answers"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TorchServe]:
    folder = tmp_path_factory.mktemp("stress")
    store = folder / "store"
    store.mkdir()
    recorded.fill(store)
    for k, picture in enumerate(PICTURES):
        (folder / f"img{k}.jpg").write_bytes(picture)
    with torchserves.serve(folder, store, {"enable_model_api": "true"}, "--ncs") as found:
        upload(found)
        yield found


def upload(server: TorchServe) -> None:
    """What an upload script does: remove all versions there are, and register the archive."""
    for one in server.ask("GET", "/models/my_model/all")[1] if server.ask("GET", "/models/my_model")[0] == 200 else ():
        assert server.ask("DELETE", f"/models/my_model/{one['modelVersion']}")[0] == 200
    register = "/models?url=my_model.mar&model_name=my_model&batch_size=2&max_batch_delay=50&initial_workers=1"
    status, answer = server.ask("POST", register)
    text = 'Model "my_model" Version: 1.0 registered with 1 initial workers'
    assert (status, answer) == (200, {"status": text})


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "img1.jpg"
    path.write_bytes(PICTURES[1])
    return path


def test_the_upload_again(server: TorchServe) -> None:
    upload(server)
    assert [one["modelVersion"] for one in server.ask("GET", "/models/my_model/all")[1]] == ["1.0"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
def test_a_picture_by_curl(server: TorchServe, picture: Path) -> None:
    command = ["curl", "-s", server.url("inf", "/predictions/my_model"), "-F", f"data=@{picture}"]
    said = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
    assert json.loads(said) == ANSWERS[1]


def test_an_async_client(server: TorchServe) -> None:
    async def ask() -> None:
        async with aio.connect(server.url("inf")) as client:
            found = await asyncio.gather(*(client.my_model(data=PICTURES[k % 2]) for k in range(4)))
            assert found == ANSWERS
            assert await client.my_model(body=PICTURES[0]) == ANSWERS[0]
            with pytest.raises(ServingError, match="Prediction failed"):
                await client.my_model(data=b"no picture")
            with pytest.raises(BadInput, match="takes one instance"):
                await client.my_model([{"data": b"1"}, {"data": b"2"}])
            with pytest.raises((BadInput, Busy, ServingError), match="Prediction failed"):
                await client.my_model(data="text")

    asyncio.run(ask())


def test_load_is_told_in_images(server: TorchServe, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url = server.url("inf", "/predictions/my_model")
    words = [url, "--image", str(picture), "--field", "data", "--clients", "4", "--seconds", "1.2", "--warmup_s", "0.1"]
    assert bench.main(words) == 0
    said = capsys.readouterr().out
    assert " images/s  p50" in said
    assert "images a second, deviation from second to second" in said


def test_a_sweep_changes_the_running_model(
    server: TorchServe, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server answers meanwhile, and keeps what is best."""
    url, management = server.url("inf", "/predictions/my_model"), server.url("mgmt")
    words = [url, "--sweep", "--management", management, "--image", str(picture), "--seconds", "0.2", "--warmup_s", "0"]
    words += ["--batch_infer_size", "1", "4", "--batch_wait_ms", "0", "2", "--clients", "4"]
    assert bench.main(words) == 0
    said = capsys.readouterr().out
    (described,) = server.ask("GET", "/models/my_model")[1]
    best = f"batch_size={described['batchSize']} max_batch_delay={described['maxBatchDelay']}"
    assert f"Use {best}" in said
    assert f"The model has {best} now" in said
    assert "It answers" in said


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["/x", "--sweep", "--management", "http://127.0.0.1:1"], 2),
        (["http://127.0.0.1:1/predictions/m", "--sweep", "--management", "http://127.0.0.1:1"], 3),
        (["http://127.0.0.1:1/predictions/m", "--management", "http://127.0.0.1:1"], 2),
        (["--sweep", "--management", "http://127.0.0.1:1", "--model", "x"], 2),
        (["http://127.0.0.1:1/predictions/m", "--key_file", "nothing.json"], 2),
    ],
)
def test_wrong_words(words: list[str], status: int) -> None:
    assert bench.main(words) == status


def test_a_model_that_is_not_there(server: TorchServe) -> None:
    url = server.url("inf", "/predictions/nope")
    assert bench.main([url, "--sweep", "--management", server.url("mgmt")]) == 2
