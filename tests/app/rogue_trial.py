"""A trial among the backends of `tests.app.rogues` only."""

import sys

from paddle_serving_app import backends
from paddle_serving_app.choosing import trial
from tests.app import rogues

if __name__ == "__main__":
    backends.__path__[:] = rogues.__path__
    sys.exit(trial.main(sys.argv[1:]))
