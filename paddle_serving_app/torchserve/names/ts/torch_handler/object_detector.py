"""`ObjectDetector`: the boxes in each picture, with names and scores."""

from typing import Any

from torchvision import transforms

from ts.torch_handler.vision_handler import VisionHandler
from ts.utils.util import map_class_to_label


class ObjectDetector(VisionHandler):
    """Pictures as models of torchvision take them; what scores less than `threshold` is left out."""

    image_processing = transforms.Compose([transforms.ToTensor()])
    threshold = 0.5

    def postprocess(self, data: Any) -> list[Any]:
        """For each picture a list of {name: box, "score": score}."""
        found = []
        for row in data:
            keep = row["scores"] >= self.threshold
            boxes, classes = row["boxes"][keep].tolist(), row["labels"][keep].tolist()
            labelled = map_class_to_label([[box] for box in boxes], self.mapping, [[one] for one in classes])
            scores = row["scores"][keep].tolist()
            found.append([{**label, "score": score} for label, score in zip(labelled, scores, strict=True)])
        return found
