"""`ImageClassifier`: for each picture its most likely classes."""

from typing import Any

import torch
import torch.nn.functional as F
from torchvision import transforms

from ts.torch_handler.vision_handler import VisionHandler
from ts.utils.util import map_class_to_label


class ImageClassifier(VisionHandler):
    """Pictures as models of ImageNet take them."""

    topk = 5
    image_processing = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def set_max_result_classes(self, topk: int) -> None:
        """How many classes are told."""
        self.topk = topk

    def get_max_result_classes(self) -> int:
        """The same."""
        return self.topk

    def postprocess(self, data: Any) -> list[Any]:
        """Probabilities by the names of classes, the likeliest first."""
        probabilities = F.softmax(data, dim=1)
        probs, classes = torch.topk(probabilities, min(self.topk, probabilities.shape[1]), dim=1)
        return map_class_to_label(probs.tolist(), self.mapping, classes.tolist())
