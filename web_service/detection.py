"""The things in a picture, with a detector of one's own: boxes, their labels and scores.

    python web_service/detection.py my_server my_labels.txt       # serves on port 9393
    curl --data-binary @photo.jpg -H 'Content-Type: image/jpeg' http://127.0.0.1:9393/detection/prediction

The first argument is the converted folder of a detector as PaddleDetection 2 exports it (`export_model.py`), the
second the names of its classes, one a line. Its inputs are a picture, and `scale_factor` or `im_shape` or both, or
neither; one of its outputs is rows of class, score, x1, y1, x2, y2, in pixels of the picture as it came.

The answer, where each outer list has one entry for each picture of the request:

    {"boxes": [[[x1, y1, x2, y2], ...]], "labels": [["cat", ...]], "scores": [[0.98, ...]],   the surest first
     "image": ["..."]}                            base64 JPEG with all that drawn in; only if "fetch" asks
"""

import sys

import cv2

from paddle_serving_app.exported.inputs import detector_inputs
from paddle_serving_app.exported.tasks.detection import Detection
from paddle_serving_app.ops.detector_input import DetectorInput
from paddle_serving_app.ops.fit import FitResize
from paddle_serving_app.ops.labels import read_labels
from paddle_serving_app.ops.layout_boxes import BoxRules
from paddle_serving_app.reader import Div, Normalize, Transpose
from paddle_serving_client.errors import BadConfig
from paddle_serving_server.picture_service import PictureService

# Of the input, for values from 0 to 1, red first; what most configs of PaddleDetection say.
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
KEEP_RATIO = False
OPEN_SIZE = 640
"""Side of the input, in pixels, where the model takes any."""
LEAST_SCORE = 0.5
"""A box is answered whose score is above."""


class Things(PictureService):
    """Pictures in; boxes, labels and scores out."""

    def make_task(self) -> Detection:
        """The steps before the model, which says what inputs it has and how large the picture is to be."""
        inputs = detector_inputs(self.signature, "the model")
        (spec,) = (i for i in self.signature.inputs if i.alias == inputs["image"])
        height, width = (side if side > 0 else OPEN_SIZE for side in spec.shape[-2:])
        resize = FitResize((width, height), KEEP_RATIO, interpolation=cv2.INTER_CUBIC)
        prepare = DetectorInput([resize, Div(255.0), Normalize(MEAN, STD), Transpose((2, 0, 1))])
        rules = BoxRules(labels=read_labels(label_file), threshold=LEAST_SCORE, order="score")
        return Detection(inputs, prepare, rules, label_file)


if len(sys.argv) != 3:
    raise BadConfig("web_service/detection.py needs two arguments: the model's folder, and a file with its labels")
folder, label_file = sys.argv[1:]
service = Things("detection")
service.load_model_config(folder)
service.prepare_server(port=9393)
service.run_rpc_service()
service.run_web_service()
