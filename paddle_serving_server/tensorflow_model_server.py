"""The program: python -m paddle_serving_server.tensorflow_model_server --model_name NAME --model_base_path FOLDER"""

import sys

from paddle_serving_server.commands.tensorflow_model_server import main as main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
