"""The one thing of EXIF data that changes what a picture looks like: its orientation.

Specification: Exif 3.0, 4.6.2 (structure) and 4.6.5.1 (Orientation), TIFF 6.0, 2.
"""

import struct

import numpy as np

from paddle_serving_app.ops.arrays import ImageU8

_ORIENTATION, _SHORT = 0x0112, 3
_TURNS = {3: 2, 4: 2, 5: 3, 6: 3, 7: 1, 8: 1}
"""By orientation: quarters of a turn counterclockwise ..."""
_MIRRORED = (2, 4, 5, 7)
"""... and then whether left and right change places."""


def orientation(exif: bytes) -> int:
    """1 to 8; 1, as it is, where nothing is said or the data is damaged.

    Args:
        exif: a TIFF structure; "Exif", 0, 0 may stand in front.
    """
    exif = exif.removeprefix(b"Exif\0\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None or len(exif) < 8:
        return 1
    (start,) = struct.unpack_from(f"{order}I", exif, 4)
    if start + 2 > len(exif):
        return 1
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for at in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        tag, kind, _, value = struct.unpack_from(f"{order}HHIH", exif, at)
        if (tag, kind) == (_ORIENTATION, _SHORT):
            return value if 1 <= value <= 8 else 1
    return 1


def upright(image: ImageU8, oriented: int) -> ImageU8:
    """A picture as it is to be seen; a view where that is possible.

    Args:
        image: (H, W, C), as stored.
        oriented: 1 to 8.
    """
    turned = np.rot90(image, _TURNS.get(oriented, 0))
    return turned[:, ::-1] if oriented in _MIRRORED else turned
