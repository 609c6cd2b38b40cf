"""A service whose step starts processes of its own, as user code does."""

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

from paddle_serving_server.web_service import WebService


class Forking(WebService):
    """Feeds say how: "pool" (ended at once), "executor", or "stays" (a process that outlives the call)."""

    def preprocess(self, feed=[], fetch=[]):
        context = multiprocessing.get_context("fork")
        if feed[0]["way"] == "pool":
            with context.Pool(2) as pool:
                values = pool.map(abs, range(13))
        elif feed[0]["way"] == "executor":
            with ProcessPoolExecutor(2, mp_context=context) as executor:
                values = list(executor.map(abs, range(13)))
        else:
            context.Process(target=time.sleep, args=(60,), daemon=False).start()
            values = range(13)
        return {"x": [float(v) for v in values]}, fetch, False


service = Forking(name="forking")
service.load_model_config("serving_model/uci_housing")
service.run_web_service()
