"""A service that asks its model three times in one request, with pauses: all three have to be the same version."""

import sys
import time

import numpy as np

from paddle_serving_server.web_service import WebService

ZEROS = {"x": np.zeros((1, 13), np.float32)}


class Twice(WebService):
    def preprocess(self, feed=[], fetch=[]):
        first = self.predict("main", ZEROS, ["price"], batch=True)["price"]
        feed[0]["first"] = first
        time.sleep(0.05)
        return dict(ZEROS), fetch, True

    def postprocess(self, feed=[], fetch=[], fetch_map=None):
        time.sleep(0.05)
        last = self.predict("main", ZEROS, ["price"], batch=True)["price"]
        return [float(price[0, 0]) for price in (feed[0]["first"], fetch_map["price"], last)]


service = Twice(name="twice")
service.load_model_config({"main": sys.argv[1]})
service.run_web_service()
