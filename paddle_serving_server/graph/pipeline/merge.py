"""Several requests' feeds as one, and the results cut apart again. Pure: no threads, no models.

A feed is a dict of arrays by name; axis 0 is the batch, and `NAME.lod` has the offsets of sequences. Feeds with other
names, types or inner shapes are never joined. Nothing is cut that was not joined.
"""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from paddle_serving_client.message import Array

_LOD = ".lod"


def kind_of(feed: object) -> Hashable | None:
    """What must be equal for two feeds to be joined; None for a feed that joins with nobody."""
    if not isinstance(feed, Mapping) or not feed:
        return None
    kind = []
    for name, value in feed.items():
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            return None
        if name.endswith(_LOD) and not _is_offsets(value):
            return None
        kind.append((name, value.dtype.str, () if name.endswith(_LOD) else value.shape[1:]))
    items = {_items(feed, name) for name in feed if not name.endswith(_LOD)}
    return tuple(sorted(kind)) if len(items) == 1 else None


def join(feeds: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Feeds of one kind as one; the offsets of each go on where those before end."""
    return {
        name: _joined_offsets([feed[name] for feed in feeds])
        if name.endswith(_LOD)
        else np.concatenate([feed[name] for feed in feeds])
        for name in feeds[0]
    }


def split(result: Mapping[str, Any], feeds: Sequence[Mapping[str, Array]]) -> list[dict[str, Any]] | None:
    """Each feed's own part of a result; None where a value cannot be told apart.

    An output with offsets is cut by its sequences, any other by its rows: as many as the feed had items, or as many as
    the rows of an input.
    """
    counts = [_count(feed) for feed in feeds]
    parts: list[dict[str, Any]] = [{} for _ in feeds]
    for name, value in result.items():
        if name.endswith(_LOD):
            continue
        if not isinstance(value, np.ndarray) or value.ndim == 0:
            return None
        offsets = result.get(name + _LOD)
        if offsets is not None:
            if not _is_offsets(offsets) or len(offsets) != sum(counts) + 1:
                return None
            _cut_sequences(name, value, offsets, counts, parts)
            continue
        rows = _rows_of(value, feeds, counts)
        if rows is None:
            return None
        ends = np.cumsum(rows).tolist()
        for part, end, count in zip(parts, ends, rows, strict=True):
            part[name] = value[end - count : end]
    return parts


def _cut_sequences(
    name: str, value: Array, offsets: Array, counts: Sequence[int], parts: Sequence[dict[str, Any]]
) -> None:
    first = 0
    for part, count in zip(parts, counts, strict=True):
        own = offsets[first : first + count + 1]
        part[name] = value[int(own[0]) : int(own[-1])]
        part[name + _LOD] = own - own[0]
        first += count


def _rows_of(value: Array, feeds: Sequence[Mapping[str, Array]], counts: Sequence[int]) -> Sequence[int] | None:
    """How many rows of an output belong to each feed."""
    if value.shape[0] == sum(counts):
        return counts
    for name in feeds[0]:
        rows = [feed[name].shape[0] for feed in feeds]
        if not name.endswith(_LOD) and value.shape[0] == sum(rows):
            return rows
    return None


def _count(feed: Mapping[str, Array]) -> int:
    return next(_items(feed, name) for name in feed if not name.endswith(_LOD))


def _items(feed: Mapping[str, Array], name: str) -> int:
    """How many items an input has: its sequences, or its rows."""
    offsets = feed.get(name + _LOD)
    return len(offsets) - 1 if offsets is not None else int(feed[name].shape[0])


def _is_offsets(value: object) -> bool:
    return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "iu" and len(value) >= 2


def _joined_offsets(parts: Sequence[Array]) -> Array:
    joined = [parts[0]]
    for part in parts[1:]:
        joined.append(part[1:] + joined[-1][-1])
    return np.concatenate(joined)
