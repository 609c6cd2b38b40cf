"""The picture or document of a request: base64 or an address, one page or several."""

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from paddle_serving_app.ops.arrays import ImageU8, require_size
from paddle_serving_app.ops.decode import MAX_ENCODED_BYTES, decode, decode_base64
from paddle_serving_app.ops.fetch_url import URL2Image
from paddle_serving_app.paddlex.fields import Refused
from paddle_serving_client.errors import BadInput, MissingLibrary, ServingError

INVALID: Final = "Invalid input file"
_PDF, _IMAGE = 0, 1
_SCALE = 2.0
"""At which pages of a PDF are drawn: 144 dots an inch."""
_PDF_ENDING = ".pdf"
_IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff")


def picture(text: str) -> ImageU8:
    """A picture, BGR, of base64 or an address.

    Raises:
        Refused: it is none, or may not be fetched.
    """
    try:
        return decode(URL2Image().body(text)) if _is_url(text) else decode_base64(text)
    except BadInput as exc:
        raise Refused(f"{INVALID}: {exc}") from exc


def pages(text: str, file_type: int | None, most: int) -> tuple[list[ImageU8], dict[str, Any]]:
    """The pages of a document, BGR, and what is said of them in an answer.

    Args:
        text: base64 or an address.
        file_type: 0 for a PDF, 1 for a picture; None: told by the ending of an address.
        most: pages of a PDF that are read; 0: all.

    Raises:
        Refused: it is none, of no type that is known, or may not be fetched.
    """
    kind = _kind_of(text) if file_type is None else file_type
    if kind == _IMAGE:
        image = picture(text)
        return [image], {"width": image.shape[1], "height": image.shape[0], "type": "image"}
    try:
        raw = URL2Image().body(text) if _is_url(text) else _bytes_of(text)
        images = _drawn(raw, most)
    except ServingError as exc:
        raise Refused(f"{INVALID}: {exc}") from exc
    sizes: list[Mapping[str, int]] = [{"width": i.shape[1], "height": i.shape[0]} for i in images]
    return images, {"numPages": len(images), "pages": sizes, "type": "pdf"}


def _kind_of(text: str) -> int:
    if not _is_url(text):
        raise Refused("File type cannot be determined")
    path = text.partition("?")[0].lower()
    if path.endswith(_PDF_ENDING):
        return _PDF
    if path.endswith(_IMAGE_ENDINGS):
        return _IMAGE
    raise Refused("Unsupported file type")


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def _bytes_of(text: str) -> bytes:
    if len(text) > MAX_ENCODED_BYTES // 3 * 4 + 4096:
        raise BadInput(f"the document has {len(text):,} characters; at most {MAX_ENCODED_BYTES:,} bytes are read")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise BadInput("the document is not valid base64") from exc


def _drawn(raw: bytes, most: int) -> list[ImageU8]:
    try:
        import pypdfium2
    except ImportError as exc:
        raise MissingLibrary("documents in PDF need pypdfium2: pip install pypdfium2") from exc
    try:
        document = pypdfium2.PdfDocument(io.BytesIO(raw))
    except pypdfium2.PdfiumError as exc:
        raise BadInput("it is no PDF that can be read") from exc
    images: list[ImageU8] = []
    with document:
        for number in range(min(len(document), most) if most else len(document)):
            page = document[number]
            width, height = page.get_size()
            require_size(int(width * _SCALE), int(height * _SCALE), "a page of the document")
            drawn = page.render(scale=_SCALE).to_numpy()
            images.append(np.ascontiguousarray(drawn[:, :, :3]))
    return images
