"""The program: python -m paddle_serving_server.monitor"""

import sys

from paddle_serving_server.commands.monitor.__main__ import main as main

if __name__ == "__main__":
    sys.exit(main())
