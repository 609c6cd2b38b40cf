"""The monitor: new models come from wherever they are, whole or not at all, and errors do not end it."""

import argparse
import contextlib
import errno
import functools
import http.server
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddle_serving_client import io, manifest
from paddle_serving_client.errors import BadConfig, BadModel, ServingError, Unreachable
from paddle_serving_server.commands.monitor import install
from paddle_serving_server.commands.monitor.__main__ import parser, watch_of
from paddle_serving_server.commands.monitor.watch import Watch
from tests import models
from tests.server.commands.monitor import ftp_server
from tests.serving import ROOT

WAIT_S = 30.0


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two served models with other weights, each with a manifest."""
    folder = tmp_path_factory.mktemp("versions")
    for number, weights in enumerate((models.UCI_W, models.UCI_W * 2)):
        source = models.uci(folder / f"source-{number}", weights=weights)
        for config in source.glob("*.prototxt"):
            config.unlink()
        io.inference_model_to_serving(source, folder / str(number), folder / "client", fetch_alias_names="price")
    return folder / "0", folder / "1"


class Remote:
    """The other side: `remote/models/uci.tar.gz` with the folder `uci_model`, and `remote/models/done`."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "remote"
        self.models = self.root / "models"
        self.models.mkdir(parents=True)
        self.local = folder / "local"
        self.live = self.local / "uci"
        self._number = 0

    def publish(self, model: Path) -> None:
        """A new model, as an archive and as a folder, and then the done file."""
        with tarfile.open(self.models / "uci.tar.gz", "w:gz") as tar:
            tar.add(model, "uci_model")
        shutil.rmtree(self.models / "uci_folder", ignore_errors=True)
        shutil.copytree(model, self.models / "uci_folder")
        self.announce()

    def announce(self) -> None:
        """Another done file."""
        self._number += 1
        (self.models / "done").write_text(str(self._number))

    def arguments(self, kind: str, *more: str, is_archive: bool = True) -> list[str]:
        """The flags for a monitor of this."""
        path = str(self.models) if kind == "local" else "/models"
        name, unpacked = ("uci.tar.gz", ["--unpacked_filename", "uci_model"]) if is_archive else ("uci_folder", [])
        remote = ["--type", kind, "--remote_path", path, "--remote_model_name", name, "--remote_donefile_name", "done"]
        return [*remote, "--local_path", str(self.local), "--local_model_name", "uci", *unpacked, *more]

    def watch(self, kind: str, *more: str, is_archive: bool = True) -> Watch:
        """A monitor of this, to be looked with by hand."""
        return watch_of(parser().parse_args(self.arguments(kind, *more, is_archive=is_archive)))

    def left_over(self) -> list[str]:
        """What lies about that should not."""
        scratch = self.local / "_serving_monitor_tmp"
        return [*(p.name for p in scratch.glob("*")), *(p.name for p in self.local.iterdir() if p.name[0] == ".")]


@pytest.fixture
def remote(tmp_path: Path) -> Remote:
    return Remote(tmp_path)


@contextlib.contextmanager
def web(folder: Path) -> Iterator[str]:
    """A web server of a folder, which also sends on: /to/URL goes to URL. Gives its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/to/"):
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()


def hadoop(remote: Remote) -> str:
    """A program that answers as `hadoop fs` does, for the files of this."""
    script = remote.root / "hadoop"
    script.write_text(
        f"""#!/bin/sh
[ "$1 $2 $3 $4 $5" = "fs -D fs.default.name=afs://here -D hadoop.job.ugi=a,b" ] || exit 9
shift 5
[ -e "{remote.root}$2" ] || {{ echo "ls: \\`$2': No such file or directory" >&2; exit 1; }}
case $1 in
-ls) echo "Found 1 items"
     time=$(stat -c '%y' {remote.root}$2 | cut -d' ' -f2)
     echo "-rw-r--r--   3 a b $(stat -c '%s' {remote.root}$2) 2026-01-02 $time $2";;
-get) cp -r "{remote.root}$2" "$3";;
esac
"""
    )
    script.chmod(0o755)
    return str(script)


@contextlib.contextmanager
def flags_for(remote: Remote, kind: str) -> Iterator[tuple[str, ...]]:
    """What else a monitor has to be told for a kind of source, while that source is there."""
    with contextlib.ExitStack() as stack:
        match kind:
            case "general":
                yield "--general_host", stack.enter_context(web(remote.root))
            case "ftp":
                port = stack.enter_context(ftp_server.serving(remote.root))
                secrets = ("--ftp_username", ftp_server.USER, "--ftp_password", ftp_server.PASSWORD)
                yield "--ftp_host", "127.0.0.1", "--ftp_port", str(port), *secrets
            case "local":
                yield ()
            case _:
                yield "--hadoop_bin", hadoop(remote), "--fs_name", "afs://here", "--fs_ugi", "a,b"


def same_model(one: Path, other: Path) -> bool:
    return (
        manifest.verify(one).is_verified and (one / manifest.NAME).read_bytes() == (other / manifest.NAME).read_bytes()
    )


@pytest.mark.parametrize(
    ("kind", "is_archive"),
    [
        ("local", True),
        ("local", False),
        ("general", True),
        ("ftp", True),
        ("ftp", False),
        ("hdfs", True),
        ("hdfs", False),
        ("afs", True),
    ],
)
def test_a_new_model_comes_and_replaces_the_old_one(
    remote: Remote, versions: tuple[Path, Path], kind: str, is_archive: bool
) -> None:
    with flags_for(remote, kind) as more:
        watch = remote.watch(kind, *more, is_archive=is_archive)
        assert not watch.look()  # nothing is there yet
        remote.publish(versions[0])
        assert watch.look()
        assert same_model(remote.live, versions[0])
        (remote.live / ".cache").mkdir()  # a server's
        before = (remote.live / "fluid_time_file").stat().st_mtime_ns
        assert not watch.look()
        time.sleep(0.01)
        remote.publish(versions[1])
        assert watch.look()
        assert same_model(remote.live, versions[1])
        assert (remote.live / "fluid_time_file").stat().st_mtime_ns > before
        assert (remote.live / ".cache").is_dir()
        assert remote.left_over() == []


def test_whoever_looks_finds_a_whole_model(remote: Remote, versions: tuple[Path, Path]) -> None:
    watch = remote.watch("local")
    remote.publish(versions[0])
    watch.look()
    stop = threading.Event()
    looks = [0]
    broken: list[OSError] = []

    def look() -> None:
        while not stop.is_set():
            for name in ("manifest.json", "model.pdmodel", "fluid_time_file"):
                try:
                    os.close(os.open(remote.live / name, os.O_RDONLY))
                except OSError as exc:
                    broken.append(exc)
            looks[0] += 1

    thread = threading.Thread(target=look)
    thread.start()
    try:
        for number in range(10):
            remote.publish(versions[number % 2 - 1])
            assert watch.look()
    finally:
        stop.set()
        thread.join()
    assert broken == []
    assert looks[0] > 10


def test_a_folder_that_cannot_be_moved_gets_new_files(
    remote: Remote, versions: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = remote.watch("local")
    remote.publish(versions[0])
    assert watch.look()
    (remote.live / "mine").write_text("the operator's")

    def refused(*arguments: object) -> None:  # as for a mount point, or a folder of a container's image
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(install, "_exchange", refused)
    folder = os.stat(remote.live).st_ino
    before = (remote.live / "fluid_time_file").stat().st_mtime_ns
    remote.publish(versions[1])
    assert watch.look()
    assert same_model(remote.live, versions[1])
    assert os.stat(remote.live).st_ino == folder
    assert (remote.live / "fluid_time_file").stat().st_mtime_ns > before
    assert (remote.live / "mine").exists()
    assert remote.left_over() == []


@pytest.mark.parametrize(
    ("breakage", "words"),
    [
        ("cut", "not a tar archive, or damaged"),
        ("flipped", "model.pdiparams: damaged or exchanged"),
        ("no config", "no serving_server_conf.prototxt"),
        ("no params", "model.pdiparams: it is missing"),
        ("no manifest, half params", "cut short or another model's|ends .* too early"),
        ("other folder", "has no folder 'uci_model'"),
        ("link", "links and devices are not unpacked"),
        ("gone", "no such file or folder"),
    ],
)
def test_a_model_that_is_not_whole_changes_nothing(
    remote: Remote, versions: tuple[Path, Path], tmp_path: Path, breakage: str, words: str
) -> None:
    watch = remote.watch("local")
    remote.publish(versions[0])
    assert watch.look()
    broken = tmp_path / "broken"
    shutil.copytree(versions[1], broken)
    params = broken / "model.pdiparams"
    match breakage:
        case "flipped":
            params.write_bytes(params.read_bytes()[:-1] + b"\x00")
        case "no config":
            (broken / "serving_server_conf.prototxt").unlink()
        case "no params":
            params.unlink()
        case "no manifest, half params":
            params.write_bytes(params.read_bytes()[:-20])
            (broken / "manifest.json").unlink()
        case "link":
            (broken / "link").symlink_to("/etc/passwd")
    remote.publish(broken)
    archive = remote.models / "uci.tar.gz"
    if breakage == "cut":
        archive.write_bytes(archive.read_bytes()[:-200])
    elif breakage == "gone":
        archive.unlink()
    elif breakage == "other folder":
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(broken, "something_else")
    before = (remote.live / "fluid_time_file").stat().st_mtime_ns
    for _ in range(2):  # it is tried again, in case the other side mends it
        with pytest.raises(ServingError, match=words):
            watch.look()
    assert same_model(remote.live, versions[0])
    assert (remote.live / "fluid_time_file").stat().st_mtime_ns == before
    assert remote.left_over() == []
    remote.publish(versions[1])
    assert watch.look()
    assert same_model(remote.live, versions[1])


def test_the_same_model_again_changes_nothing(remote: Remote, versions: tuple[Path, Path]) -> None:
    watch = remote.watch("local")
    remote.publish(versions[0])
    assert watch.look()
    before = (remote.live / "fluid_time_file").stat().st_mtime_ns
    remote.announce()
    assert not watch.look()
    assert (remote.live / "fluid_time_file").stat().st_mtime_ns == before


def test_only_hosts_that_are_allowed_are_asked(remote: Remote, versions: tuple[Path, Path]) -> None:
    remote.publish(versions[0])
    with web(remote.root) as host:
        other = host.replace("127.0.0.1", "localhost")
        sent_on = [*remote.arguments("general", "--general_host", f"{host}/to/{other}")]
        with pytest.raises(Unreachable, match="localhost is not among the allowed hosts"):
            watch_of(parser().parse_args(sent_on)).look()
        assert watch_of(parser().parse_args([*sent_on, "--allow_host", "localhost"])).look()
        with pytest.raises(Unreachable, match="only http:// and https:// are asked"):
            remote.watch("general", "--general_host", f"{host}/to/ftp://localhost").look()


def test_limits_of_size(remote: Remote, versions: tuple[Path, Path]) -> None:
    remote.publish(versions[0])
    with web(remote.root) as host:
        for kind, more in (("local", ()), ("general", ("--general_host", host))):
            with pytest.raises(BadModel, match=r"more than 100 bytes|more than 100 \(--max_bytes\)"):
                remote.watch(kind, "--max_bytes", "100", *more).look()
    assert remote.left_over() == []


def test_the_other_side_is_not_there(remote: Remote) -> None:
    for kind, more in (
        ("general", ("--general_host", "http://127.0.0.1:9")),
        ("ftp", ("--ftp_host", "127.0.0.1", "--ftp_port", "9")),
    ):
        with pytest.raises(Unreachable, match="Connection refused"):
            remote.watch(kind, *more).look()
    with (
        ftp_server.serving(remote.root) as port,
        pytest.raises(Unreachable, match=r"ftp://127.0.0.1:\d+: 530"),
    ):
        remote.watch("ftp", "--ftp_host", "127.0.0.1", "--ftp_port", str(port), "--ftp_username", "x").look()


@pytest.mark.parametrize(
    ("kind", "more", "words"),
    [
        ("general", (), "--type general needs --general_host"),
        ("ftp", (), "--type ftp needs --ftp_host"),
        ("hdfs", (), "say where it is with --hadoop_bin"),
        ("afs", ("--hadoop_bin", "/no/hadoop"), "--hadoop_bin /no/hadoop: there is no such program"),
        ("magic", (), "--type must be one of afs, ftp, general, hdfs, local, got magic"),
        ("local", ("--interval", "0"), "--interval must be from"),
        ("local", ("--local_model_name", "../x"), "--local_model_name '../x': expected a name"),
        ("local", ("--unpacked_filename", "../x"), "leads out of the archive"),
        ("local", ("--remote_path", "/none"), "--remote_path /none: there is no such folder"),
    ],
)
def test_wrong_flags(remote: Remote, kind: str, more: tuple[str, ...], words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        remote.watch(kind, *more)


def test_defaults_are_those_of_paddle_serving() -> None:
    required = ("remote_path", "remote_model_name", "remote_donefile_name", "local_path", "local_model_name")
    said = parser().parse_args([word for name in required for word in (f"--{name}", "x")])
    expected = argparse.Namespace(
        type="general",
        local_timestamp_file="fluid_time_file",
        local_tmp_path="_serving_monitor_tmp",
        unpacked_filename=None,
        interval=10,
        debug=False,
    )
    assert vars(expected).items() <= vars(said).items()


def test_the_command_goes_on_after_errors_and_ends_when_asked(remote: Remote, versions: tuple[Path, Path]) -> None:
    remote.announce()  # and there is no model
    command = [sys.executable, "-m", "paddle_serving_server.monitor", *remote.arguments("local", "--interval", "0.1")]
    log = remote.root / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
    try:
        _until(lambda: "no such file or folder; the model stays as it is" in log.read_text())
        remote.publish(versions[0])
        _until(lambda: (remote.live / "fluid_time_file").exists())
        assert same_model(remote.live, versions[0])
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    assert remote.left_over() == []


def _until(condition: object) -> None:
    assert callable(condition)
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
