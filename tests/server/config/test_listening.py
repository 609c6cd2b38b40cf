"""`--listen`: addresses, and what is answered at each."""

import pytest

from paddle_serving_client.errors import BadConfig
from paddle_serving_server.config import listening
from paddle_serving_server.config.listening import Listening, Role


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8000", Listening(host="127.0.0.1", port=8000)),
        (":8000", Listening(host="0.0.0.0", port=8000)),
        ("[::1]:8000", Listening(host="::1", port=8000)),
        ("a.b:1=paddle", Listening(host="a.b", port=1, apis=("paddle",))),
        ("a:1=paddle,kserve:inference", Listening(host="a", port=1, apis=("paddle", "kserve"), roles=("inference",))),
        ("a:1=:metrics,management", Listening(host="a", port=1, roles=("metrics", "management"))),
    ],
)
def test_an_address_says_what_is_answered_there(text: str, expected: Listening) -> None:
    assert listening.parse(text) == expected
    assert listening.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text", ["", "8000", "a:", "a:70000", "a:1:2", "a:1=b=c", "::1:8000", "a:1=paddle:x:y", "a:-1"]
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(BadConfig, match="--listen is ADDRESS"):
        listening.parse(text)


def test_a_role_that_is_not_there_is_named() -> None:
    with pytest.raises(BadConfig, match="no role 'all'; there are inference, metrics, management"):
        listening.parse("a:1=:all")


def test_what_is_not_named_is_everything_and_what_belongs_to_nobody_is_everywhere() -> None:
    assert Listening().has("paddle", Role.MANAGEMENT)
    for_paddle = Listening(apis=("paddle",), roles=("inference",))
    assert for_paddle.has("paddle")
    assert for_paddle.has(listening.SERVER)
    assert not for_paddle.has("kserve")
    assert not for_paddle.has("paddle", Role.MANAGEMENT)
