"""The page: a Flask application that is a client of the model server, and nothing more.

    python web_service/ui.py --server http://127.0.0.1:9393 --port 8080

Pictures go to the server over HTTP as they came; numbers go through the RPC client. No model, no image decoding here.
"""

import argparse
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import waitress

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # it runs from a checkout that is not installed, too
sys.path.insert(0, str(Path(__file__).resolve().parent))

from paddle_serving_client import program
from paddle_serving_client.errors import BadConfig
from web_page.app import MAX_FORM_BYTES, create_app
from web_page.config import PageConfig
from web_page.model_server import ModelServer, picture_type

__all__ = ["ModelServer", "PageConfig", "create_app", "main", "picture_type"]
logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog=program.name("ui.py"), description="The page of a Paddle Serving server.")
    parser.add_argument("--server", default=PageConfig().server, help="the model server's address (%(default)s)")
    parser.add_argument("--public_server", default="", help="its address for visitors, where that is another one")
    parser.add_argument("--timeout_s", type=float, default=60.0, help="longest wait for an answer (%(default)s)")
    parser.add_argument("--host", default="127.0.0.1", help="where the page listens (%(default)s)")
    parser.add_argument(
        "--allow_host",
        action="append",
        default=[],
        metavar="NAME",
        help="a name of the page behind a proxy, repeatable",
    )
    parser.add_argument("--port", type=int, default=8080, help="(%(default)s)")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        config = PageConfig(
            server=args.server,
            public_server=args.public_server,
            timeout_s=args.timeout_s,
            hosts=tuple(args.allow_host),
        )
        listener = waitress.create_server(
            create_app(config),
            host=args.host,
            port=args.port,
            threads=16,
            ident=None,
            max_request_body_size=MAX_FORM_BYTES,
            connection_limit=1000,
            channel_timeout=10,  # of silence: who has sent half a request and no more is cut off
            cleanup_interval=2,
            asyncore_use_poll=True,  # `select` knows 1024 files
        )
    except BadConfig as error:
        parser.error(str(error))
    except OSError as error:
        logger.error("cannot listen on %s:%d: %s", args.host, args.port, error.strerror)
        return error.errno or 1
    logger.info("the page is at http://%s:%d/, its model server at %s", args.host, args.port, args.server)
    listener.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
