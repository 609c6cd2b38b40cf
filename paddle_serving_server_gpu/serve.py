"""The door: python -m paddle_serving_server_gpu.serve; the same as that of paddle_serving_server."""

import sys

from paddle_serving_server.serve import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
