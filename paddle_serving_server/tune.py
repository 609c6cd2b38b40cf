"""The program: python -m paddle_serving_server.tune"""

import sys

from paddle_serving_server.commands.tune import main as main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
