"""The program: python -m paddle_serving_server.trace"""

import sys

from paddle_serving_server.commands.trace import main as main

if __name__ == "__main__":
    sys.exit(main())
