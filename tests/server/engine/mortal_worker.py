"""An engine process whose model kills the process on one value and sleeps on another: what native code can do."""

import os
import sys
import time

from paddle_serving_app.backend import Outputs
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_server.engine import worker

DEADLY, SLEEPY = 666.0, 777.0


class MortalModel(Model):
    """A real model, but for two values."""

    def run(self, arranged: Arranged) -> Outputs:
        firsts = arranged.arrays[0].reshape(len(arranged.arrays[0]), -1)[:, 0]
        if (firsts == DEADLY).any():
            os.abort()
        if (firsts == SLEEPY).any():
            time.sleep(0.3)
        return super().run(arranged)


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[1:], MortalModel))
