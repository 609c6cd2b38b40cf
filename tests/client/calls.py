"""A call of each kind for tests of the client, and ways to make it and to compare what comes of it."""

from typing import Any

import numpy as np

from paddle_serving_client import Client
from paddle_serving_client.message import Array
from tests.client import captured
from tests.client.replay import Behaviour, Serve

X = np.array(
    [0.0137, -0.1136, 0.2553, -0.0692, 0.0582, -0.0727, -0.1583, -0.0584, 0.6283, 0.4919, 0.1856, 0.0795, -0.0332],
    np.float32,
)
UCI: dict[str, Any] = {"feed": {"x": X[None]}, "fetch": ["price"], "batch": True}


def f32(*values: float) -> Array:
    return np.array(values, np.float32)


PRICE = {"price": f32(18.901152)[None]}


def client_of(config: str, *endpoints: str, raise_errors: bool = False) -> Client:
    client = Client(raise_errors)
    client.load_client_config(captured.config(config))
    client.set_rpc_timeout_ms(20_000)
    if endpoints:
        client.connect(list(endpoints))
    return client


def ask(serve: Serve, behave: Behaviour, config: str = "uci", **arguments: Any) -> Any:
    """One call, in the mode that raises."""
    with client_of(config, serve(behave).endpoint, raise_errors=True) as client:
        return client.predict(**(arguments or UCI))


def same(got: object, wanted: object) -> None:
    """Equal keys in equal order; equal values, types and shapes."""
    if isinstance(wanted, dict):
        assert isinstance(got, dict)
        assert list(got) == list(wanted)
        for key, value in wanted.items():
            same(got[key], value)
    else:
        assert isinstance(got, np.ndarray)
        assert isinstance(wanted, np.ndarray)
        np.testing.assert_array_equal(got, wanted, strict=True)


def id_blanked(raw: bytes) -> bytes:
    """A request frame without its correlation id, which has the same length in all of them."""
    at = raw.index(b"inference\x18\x00\x18\x00\x20") + len(b"inference\x18\x00\x18\x00\x20")
    return raw[:at] + bytes(5) + raw[at + 5 :]
