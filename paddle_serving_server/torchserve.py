"""The program: python -m paddle_serving_server.torchserve --start --ncs --model-store FOLDER --models ARCHIVE"""

import sys

from paddle_serving_server.commands.torchserve import main as main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
