"""Names and colours of classes."""

import itertools
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddle_serving_client.errors import BadConfig

MAX_LABELS = 100_000
"""Classes of one model. ImageNet-21k has 21,841."""
MAX_LABEL_CHARS = 200


def read_labels(path: str | os.PathLike[Any]) -> list[str]:
    """The class names of a file: one a line, white space around them dropped; the line is the class's number, from 0.

    Args:
        path: UTF-8 text, at most `MAX_LABELS` lines of `MAX_LABEL_CHARS` characters.

    Raises:
        BadConfig: not readable, not such text, or empty.
    """
    labels: list[str] = []
    try:
        with open(path, encoding="utf-8-sig") as file:
            # readline with a limit: a file without line ends must not be read whole.
            for line in itertools.islice(iter(lambda: file.readline(MAX_LABEL_CHARS + 2), ""), MAX_LABELS + 1):
                if len(line.strip()) > MAX_LABEL_CHARS or "\0" in line:
                    what = "is no text" if "\0" in line else f"has more than {MAX_LABEL_CHARS} characters"
                    raise BadConfig(f"label file {path}: line {len(labels) + 1} {what}")
                labels.append(line.strip())
    except OSError as exc:
        raise BadConfig(f"label file {path} cannot be read: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise BadConfig(f"label file {path} is not UTF-8 text") from exc
    if not labels:
        raise BadConfig(f"label file {path} is empty; it needs the name of a class on each line")
    if len(labels) > MAX_LABELS:
        raise BadConfig(f"label file {path} has more than {MAX_LABELS:,} lines")
    return labels


def color_map(class_num: int) -> NDArray[np.uint8]:
    """The colours of Pascal VOC for classes, (class_num, 3) uint8, RGB; the first, the background's, is black.

    The bits of a class number, three at a time, become the highest bits of red, green and blue.

    Raises:
        BadConfig: less than 1 or more than `MAX_LABELS` classes.
    """
    if not 1 <= class_num <= MAX_LABELS:
        raise BadConfig(f"a palette has 1 to {MAX_LABELS:,} classes, got {class_num}")
    numbers = np.arange(class_num)
    colors = np.zeros((class_num, 3), np.uint8)
    for step in range(8):
        for channel in range(3):
            colors[:, channel] |= ((numbers >> (3 * step + channel) & 1) << (7 - step)).astype(np.uint8)
    return colors
