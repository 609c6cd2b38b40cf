"""A service whose first step takes its time, and writes down for whom it was run."""

import sys
import time
from pathlib import Path

from paddle_serving_server.web_service import WebService

LOG = Path(sys.argv[2])


class Slow(WebService):
    def preprocess(self, feed=[], fetch=[]):
        with LOG.open("a") as log:
            log.write(feed[0]["who"] + "\n")
        time.sleep(0.2)
        return {"x": [[0.0] * 13]}, fetch, True


slow = Slow(name="slow")
slow.load_model_config(sys.argv[1])
slow.run_web_service()
