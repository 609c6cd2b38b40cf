"""The program: python -m paddle_serving_server.paddlex --serve --pipeline OCR.yaml --port 8080"""

import sys

from paddle_serving_server.commands.paddlex import main as main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
