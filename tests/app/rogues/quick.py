"""Right and fast: up to four rows take as long as one, more take as long as each alone; two threads halve it."""

from paddle_serving_app.backend import ModelOptions
from tests.app.linear import Linear, Plugin


def _make(options: ModelOptions) -> Linear:
    one = 6.0 if options.threads == 1 else 3.0
    return Linear(lambda rows: one if rows <= 4 else one * rows)


_plugin = Plugin(_make)
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
