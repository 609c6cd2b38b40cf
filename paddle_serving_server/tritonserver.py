"""The program: python -m paddle_serving_server.tritonserver --model-repository=FOLDER"""

import sys

from paddle_serving_server.commands.tritonserver import main as main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
