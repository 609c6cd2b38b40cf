"""The one host that example scripts fetch a picture from, answered on this machine, with a certificate made for it.

In network and mount namespaces of our own: the address is put on the loopback interface, and the name into /etc/hosts.
"""

import datetime
import functools
import http.server
import re
import socket
import ssl
import subprocess
import threading
from pathlib import Path

ADDRESS = "198.41.0.4"
"""A public one, since `URL2Image` asks no others."""


def answer(pictures: Path, work: Path) -> dict[str, str]:
    """Serve the files of a folder, by their last names, for as long as this process lives.

    Args:
        pictures: the folder; a script in it names the host.
        work: where the certificate is written.

    Returns:
        The variables that make programs trust it.
    """
    certificate, key = work / "host.pem", work / "host.key"
    script = (pictures / "resnet50_rpc_client.py").read_text()
    (host,) = set(re.findall(r"https://([^/\s]+)/", script))
    _certify(host, certificate, key)
    hosts = work / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {socket.gethostname()}\n{ADDRESS} {host}\n")
    subprocess.run(["ip", "address", "add", f"{ADDRESS}/32", "dev", "lo"], check=True)
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer((ADDRESS, 443), functools.partial(_Files, pictures))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return {"SSL_CERT_FILE": str(certificate)}


class _Files(http.server.BaseHTTPRequestHandler):
    def __init__(self, folder: Path, *others: object) -> None:
        self.folder = folder
        super().__init__(*others)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        file = self.folder / Path(self.path).name
        if not file.is_file():
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(file.stat().st_size))
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def log_message(self, *_: object) -> None:
        """Nothing: the table is what is printed."""


def _certify(host: str, certificate: Path, key: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
