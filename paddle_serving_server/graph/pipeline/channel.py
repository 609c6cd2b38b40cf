"""What a `ResponseOp` of one's own is given, under the names of Paddle Serving."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from paddle_serving_server.graph.pipeline.error_catch import ChannelDataErrcode as ChannelDataErrcode


class ChannelDataType(Enum):
    """What there is in a `ChannelData`."""

    DICT = 0
    CHANNEL_NPDATA = 1
    ERROR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelData:
    """The result of the last op, or the error of any."""

    data: Mapping[str, Any] | None = None
    error_code: int = 0
    error_info: str = ""
    data_id: int = 0
    log_id: int = 0

    @property
    def datatype(self) -> ChannelDataType:
        """Whether there is an error, nothing but arrays and lists of texts, or anything else."""
        if self.error_code:
            return ChannelDataType.ERROR
        return ChannelDataType.CHANNEL_NPDATA if is_npdata(self.data or {}) else ChannelDataType.DICT

    def parse(self) -> Mapping[str, Any] | None:
        """The dict of the last op; None when there is an error."""
        return self.data


def is_npdata(data: Mapping[str, Any]) -> bool:
    """Whether every value is an array or a list of texts."""
    return all(
        isinstance(value, np.ndarray) or (isinstance(value, list) and bool(value) and isinstance(value[0], str))
        for value in data.values()
    )
