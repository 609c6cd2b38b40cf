"""How a process ended, for people."""

import pytest

from paddle_serving_app.exit_status import shown


@pytest.mark.parametrize(("status", "text"), [(3, "status 3"), (-9, "signal SIGKILL"), (-40, "signal 40")])
def test_shown(status: int, text: str) -> None:
    assert shown(status) == text
