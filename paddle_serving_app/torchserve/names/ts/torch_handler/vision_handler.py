"""`VisionHandler`: pictures to a batch. Subclasses say `image_processing` and `postprocess`."""

import base64
import io
from typing import Any

import torch
from PIL import Image

from ts.torch_handler.base_handler import BaseHandler


class VisionHandler(BaseHandler):
    """See the module; `image_processing` makes a tensor of a picture."""

    image_processing: Any = None

    def initialize(self, context: Any) -> None:
        """See `BaseHandler.initialize`."""
        super().initialize(context)
        self.ig = None
        if not context.system_properties.get("limit_max_image_pixels", True):
            Image.MAX_IMAGE_PIXELS = None

    def preprocess(self, data: Any) -> Any:
        """The picture of each request, in `data` or else `body`: a file, base64 of one, or numbers."""
        images = []
        for row in data:
            image = row.get("data") or row.get("body")
            if isinstance(image, str):
                image = base64.b64decode(image)
            if isinstance(image, bytearray | bytes):
                image = self.image_processing(Image.open(io.BytesIO(image)))
            else:
                image = torch.FloatTensor(image)
            images.append(image)
        return torch.stack(images).to(self.device)
