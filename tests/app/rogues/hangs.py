"""Never loads."""

import time

from tests.app.linear import Linear, Plugin


def _never() -> Linear:
    time.sleep(600)
    return Linear()


_plugin = Plugin(lambda options: _never())
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
