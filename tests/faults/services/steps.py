"""Services whose own steps are what costs: `busy` computes, `asleep` waits, `hangs` does not come back when told so."""

import time

from paddle_serving_server.web_service import WebService

MODEL = "serving_model/uci_housing"
HOUSE = [0.0] * 13


class Busy(WebService):
    """Ten milliseconds of computing, as a Python loop does it."""

    def preprocess(self, feed=[], fetch=[]):
        until = time.thread_time() + 0.010
        while time.thread_time() < until:
            pass
        return {"x": HOUSE}, fetch, False


class Asleep(WebService):
    """A tenth of a second of waiting for something else."""

    def preprocess(self, feed=[], fetch=[]):
        time.sleep(0.1)
        return {"x": HOUSE}, fetch, False


class Hangs(WebService):
    """Comes back at once, or, where the caller says "hang", after a day."""

    def preprocess(self, feed=[], fetch=[]):
        if "hang" in feed[0]:
            time.sleep(86_400)
        return {"x": HOUSE}, fetch, False


for name, kind in (("busy", Busy), ("asleep", Asleep), ("hangs", Hangs)):
    service = kind(name=name)
    service.load_model_config(MODEL)
    service.run_web_service()
