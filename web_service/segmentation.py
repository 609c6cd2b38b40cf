"""What is where in a picture: a class for each pixel, painted over the picture.

    python convert/segmentation.py       # once: trains a small network that knows circles, squares and triangles
    python web_service/segmentation.py   # serves on port 9393
    curl --data-binary @static/samples/shapes.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/segmentation/prediction

With a network of one's own, its converted folder and the names of its classes, one a line, the first the background:

    python web_service/segmentation.py my_server my_labels.txt

It may answer scores (N, classes, H, W), or classes (N, H, W) as networks exported by PaddleSeg do.

The answer, where each list has one entry for each picture of the request:

    {"labels": [["background", "circle"]],    the classes that are there, the largest first
     "shares": [[0.84, 0.16]],                the part of the picture that each covers
     "mask": ["..."]                          base64 PNG, as large as the picture, grey value = class; if "fetch" asks
     "image": ["..."]}                        base64 JPEG with the classes painted over it, and named; if "fetch" asks
"""

import sys
from pathlib import Path

from paddle_serving_app.exported.tasks.segmentation import Segmentation
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.reader import BGR2RGB, Div, Normalize, Resize, Sequential, Transpose
from paddle_serving_server.picture_service import PictureService

MODEL = Path(__file__).resolve().parent.parent / "serving_model" / "segmentation"
# Of the input, for values from 0 to 1, red first. PaddleSeg has these too; change them with your network's.
MEAN, STD = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]
OPEN_SIZE = 512
"""Side of the input, in pixels, where the model takes any."""


class Segments(PictureService):
    """Pictures in; classes, the parts of the picture they cover, masks and painted pictures out."""

    def make_task(self) -> Segmentation:
        """The steps before the model, and the names of its classes."""
        (spec,) = self.signature.inputs
        height, width = (side if side > 0 else OPEN_SIZE for side in spec.shape[-2:])
        prepare = Sequential(
            [Resize((width, height)), BGR2RGB(), Div(255.0), Normalize(MEAN, STD), Transpose((2, 0, 1))]
        )
        return Segmentation(spec.alias, prepare, read_labels(label_file), str(label_file))


model = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
label_file = sys.argv[2] if len(sys.argv) > 2 else model / "labels.txt"
service = Segments("segmentation")
service.load_model_config(model)
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
