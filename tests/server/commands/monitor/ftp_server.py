"""As much of an FTP server as a client needs that gets files: one folder, one user, passive connections."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

USER, PASSWORD = "reader", "secret"


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    folder: Path


class _Session(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        user, self._here, self._data = "", "/", None
        self._say("220 ready")
        while line := self.rfile.readline(4096).decode().rstrip("\r\n"):
            verb, _, word = line.partition(" ")
            match verb.upper():
                case "USER":
                    user = word
                    self._say("331 password?")
                case "PASS":
                    self._say("230 in" if (user, word) == (USER, PASSWORD) else "530 no")
                case "TYPE" | "CWD":
                    self._here = word if verb.upper() == "CWD" else self._here
                    self._say("250 fine" if verb.upper() == "CWD" else "200 fine")
                case "EPSV":
                    self._data = socket.create_server(("127.0.0.1", 0))
                    self._say(f"229 here (|||{self._data.getsockname()[1]}|)")
                case "PASV":
                    self._data = socket.create_server(("127.0.0.1", 0))
                    high, low = divmod(self._data.getsockname()[1], 256)
                    self._say(f"227 here (127,0,0,1,{high},{low})")
                case "MDTM":
                    path = self._path(word)
                    self._say(f"213 {path.stat().st_mtime_ns}" if path.is_file() else "550 none")
                case "RETR":
                    path = self._path(word)
                    self._send(path.read_bytes() if path.is_file() else None)
                case "NLST":
                    self._send("".join(f"{path.name}\r\n" for path in self._path("").iterdir()).encode())
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("502 what?")

    def _path(self, name: str) -> Path:
        return self.server.folder / f"{'' if name.startswith('/') else self._here}/{name}".lstrip("/")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def _send(self, content: bytes | None) -> None:
        assert self._data is not None
        if content is None:
            self._data.close()
            self._say("550 none")
            return
        self._say(f"150 opening ({len(content)} bytes)")
        with contextlib.closing(self._data), contextlib.closing(self._data.accept()[0]) as line:
            line.sendall(content)
        self._say("226 done")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[int]:
    """Serve a folder; gives the port."""
    with _Server(("127.0.0.1", 0), _Session) as server:
        server.folder = folder
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
