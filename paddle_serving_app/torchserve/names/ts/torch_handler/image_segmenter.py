"""`ImageSegmenter`: for each pixel its class, and how likely that is."""

from typing import Any

import torch
import torch.nn.functional as F
from torchvision import transforms

from ts.torch_handler.vision_handler import VisionHandler


class ImageSegmenter(VisionHandler):
    """Pictures as models of torchvision take them."""

    image_processing = transforms.Compose(
        [
            transforms.Resize(256),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )

    def postprocess(self, data: Any) -> list[Any]:
        """For each picture rows of pixels, each a pair of class and probability."""
        scores = data["out"] if isinstance(data, dict) else data
        probs, classes = torch.max(F.softmax(scores, dim=1), dim=1)
        found: list[Any] = torch.stack([classes.to(probs.dtype), probs], dim=3).tolist()
        return found
