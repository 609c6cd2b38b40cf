"""Takes more memory than there is."""

import time

from tests.app.linear import Linear, Plugin


def _hog() -> Linear:
    taken = []
    for _ in range(80):
        taken.append(b"x" * (16 << 20))
        time.sleep(0.02)
    return Linear()


_plugin = Plugin(lambda options: _hog())
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
