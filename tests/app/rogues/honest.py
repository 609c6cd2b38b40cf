"""Right, and slow, however many rows there are."""

from tests.app.linear import Linear, Plugin

_plugin = Plugin(lambda options: Linear(lambda rows: 8.0))
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
