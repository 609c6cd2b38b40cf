"""The program: python -m paddle_serving_server.bench"""

import sys

from paddle_serving_server.commands.bench import main as main

if __name__ == "__main__":
    sys.exit(main())
