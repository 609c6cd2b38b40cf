"""An engine process whose model does on certain values what libraries can do: die, sleep, fail, answer oddly."""

import os
import sys
import time
from dataclasses import replace

import numpy as np

from paddle_serving_app.backend import Outputs
from paddle_serving_app.model import Model
from paddle_serving_app.signature import Arranged
from paddle_serving_server.engine import worker

DEADLY, SLEEPY, FAILING, ODD = 666.0, 777.0, 888.0, 999.0


class MortalModel(Model):
    """A real model, but for a few values."""

    def run(self, arranged: Arranged) -> Outputs:
        firsts = arranged.arrays[0].reshape(len(arranged.arrays[0]), -1)[:, 0]
        if (firsts == DEADLY).any():
            os.abort()
        if (firsts == SLEEPY).any():
            time.sleep(0.3)
        if (firsts == FAILING).any():
            raise MemoryError
        outputs = super().run(arranged)
        if (firsts == ODD).any():
            return replace(outputs, arrays=tuple(array.astype(np.longdouble) for array in outputs.arrays))
        return outputs


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[1:], MortalModel))
