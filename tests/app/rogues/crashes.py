"""Ends its process as soon as it is run for the second time."""

import os
import sys
from collections.abc import Mapping, Sequence

from paddle_serving_app.backend import Outputs
from paddle_serving_client.message import Array, Lod
from tests.app.linear import Linear, Plugin


class _Crashes(Linear):
    _runs = 0

    def run(self, arrays: Sequence[Array], lods: Mapping[int, Lod]) -> Outputs:
        self._runs += 1
        if self._runs > 1:
            sys.stderr.write("a native stack\nFatal: bad instruction\n")
            sys.stderr.flush()
            os.abort()
        return super().run(arrays, lods)


_plugin = Plugin(lambda options: _Crashes())
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
