"""House prices from 13 numbers: the first model of every Paddle Serving tutorial, as a service named `uci`.

python web_service/uci_housing.py        # then: curl -X POST ... http://127.0.0.1:9393/uci/prediction
"""

from pathlib import Path

from paddle_serving_server.web_service import WebService

MODEL = Path(__file__).resolve().parent.parent / "serving_model" / "uci_housing"


class HousePrice(WebService):
    """No steps before or after the model: numbers in, a number out."""

    kind = "numbers"
    title = "Boston house price / 波士顿房价"
    example = {
        "x": [
            0.0137,
            -0.1136,
            0.2553,
            -0.0692,
            0.0582,
            -0.0727,
            -0.1583,
            -0.0584,
            0.6283,
            0.4919,
            0.1856,
            0.0795,
            -0.0332,
        ]
    }


service = HousePrice(name="uci")
service.load_model_config(MODEL)
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
