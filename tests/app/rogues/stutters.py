"""Right, and quicker than honest, but for its first answers: the machine was busy with something else."""

import itertools

from tests.app.linear import Linear, Plugin

_FIRST_RUNS = 4


def _ms(run: int) -> float:
    return 100.0 if run < _FIRST_RUNS else 3.0


def _make(options: object) -> Linear:
    runs = itertools.count()
    return Linear(lambda rows: _ms(next(runs)))


_plugin = Plugin(_make)
missing, version, refuses, load = _plugin.missing, _plugin.version, _plugin.refuses, _plugin.load
