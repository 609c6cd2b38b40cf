"""Which frames of a video a network gets to see."""

import os
import random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from paddle_serving_app.ops.decode import File2Image
from paddle_serving_app.ops.video import Results
from paddle_serving_client.errors import BadConfig, BadInput
from paddle_serving_client.message import Array

MAX_FRAMES = 100_000
"""Of a video, and that are sampled from one."""
_DENSE = 64
"""Frames that a densely sampled clip spans."""


class Sampler:
    """Choose frames, and put them under "imgs" as Pillow pictures, RGB.

    Args:
        num_seg: parts into which the video is cut.
        seg_len: frames from each part.
        frame_interval: frames from one of a part to the next; None: they follow each other.
        valid_mode: True: the same frames every time. False: chosen at random within the parts, by the global random
            numbers of Python and numpy, as in training.
        select_left, dense_sample, linspace_sample: other rules: one frame of each part; 64 frames in equal steps, in
            `valid_mode` ten times; equal steps from the first to the last frame.
        use_pil: accepted; it was for another decoder.

    Call with the dict of `VideoDecoder`; or with {"format": "frame", "frame_dir": folder, "suffix": "img_{:05}.jpg",
    "frames_len": count} for pictures in a folder, counted from 1; or with `backend` "pyav" and "frames" as arrays,
    which then makes one array of "imgs".

    Raises:
        BadInput: no frames, or not such a dict.

    Source: PaddlePaddle/Serving, paddle_serving_app/reader/pptsn_reader.py; the frames are equal, also the random
        ones after equal seeds. Where it failed on short videos, by a number behind the last frame or one that was
        not whole, these are the last frame and the whole number.
    """

    def __init__(
        self,
        num_seg: int,
        seg_len: int,
        frame_interval: int | None = None,
        valid_mode: bool = False,
        select_left: bool = False,
        dense_sample: bool = False,
        linspace_sample: bool = False,
        use_pil: bool = True,
    ) -> None:
        if num_seg < 1 or seg_len < 1 or num_seg * seg_len > MAX_FRAMES:
            raise BadConfig(f"Sampler needs 1 to {MAX_FRAMES:,} frames, got {num_seg} parts of {seg_len}")
        if frame_interval is not None and (not isinstance(frame_interval, int) or frame_interval < 1):
            raise BadConfig(f"frame_interval is a whole number from 1, got {frame_interval!r}")
        self.num_seg = num_seg
        self.seg_len = seg_len
        self.frame_interval = frame_interval
        self.valid_mode = valid_mode
        self.select_left = select_left
        self.dense_sample = dense_sample
        self.linspace_sample = linspace_sample
        self.use_pil = use_pil

    def __call__(self, results: Results) -> Results:
        kind = results.get("format")
        if kind not in ("video", "frame"):
            raise BadInput(f"Sampler takes the formats 'video' and 'frame', not {kind!r}")
        try:
            count = int(results["frames_len"])
        except (KeyError, TypeError, ValueError) as exc:
            raise BadInput("Sampler needs 'frames_len', a whole number") from exc
        if not 0 < count <= MAX_FRAMES:
            raise BadInput(f"Sampler needs 1 to {MAX_FRAMES:,} frames, got {count}")
        chosen = self._chosen(count, results)
        results["imgs"] = _from_folder(results, chosen) if kind == "frame" else _from_video(results, chosen)
        return results

    def __repr__(self) -> str:
        return f"Sampler(num_seg={self.num_seg}, seg_len={self.seg_len}, valid_mode={self.valid_mode})"

    def _chosen(self, count: int, results: Results) -> list[int]:
        """The numbers of the frames, from 0 for a video, from 1 for a folder."""
        first = 1 if results["format"] == "frame" else 0
        if self.frame_interval is not None:
            starts = self._clips_fixed(count, self.frame_interval) if self.valid_mode else self._clips_random(count)
            steps = np.arange(self.seg_len) * self.frame_interval
            return [int(k) % count + first for k in (starts[:, None] + steps).reshape(-1)]
        if self.linspace_sample:
            has_ends = "start_idx" in results and "end_idx" in results
            start, end = (results["start_idx"], results["end_idx"]) if has_ends else (0, count - 1)
            return [
                int(k) + first for k in np.clip(np.linspace(start, end, self.num_seg), 0, count - 1).astype(np.int64)
            ]
        if self.select_left:
            return [int(k) % count + first for k in self._one_of_each(count)]
        if self.dense_sample:
            # Counted from 1 for videos too: networks were trained so.
            return [min(k + 1, count - 1 + first) for k in self._dense(count)]
        frames = (k for start in self._parts(count) for k in range(start, start + self.seg_len))
        return [k + 1 if first else k % count for k in frames]

    def _clips_random(self, count: int) -> NDArray[Any]:
        """Starts of the parts, in training."""
        span = self.seg_len * (self.frame_interval or 1)
        average = (count - span + 1) // self.num_seg
        if average > 0:
            return np.arange(self.num_seg) * average + np.random.randint(average, size=self.num_seg)
        if count > max(self.num_seg, span):
            return np.sort(np.random.randint(count - span + 1, size=self.num_seg))
        if average == 0:
            return np.around(np.arange(self.num_seg) * ((count - span + 1.0) / self.num_seg))
        return np.zeros(self.num_seg, np.int64)

    def _clips_fixed(self, count: int, interval: int) -> NDArray[Any]:
        """Starts of the parts: each in the middle of its range."""
        span = self.seg_len * interval
        average = (count - span + 1) / float(self.num_seg)
        if count <= span - 1:
            return np.zeros(self.num_seg, np.int64)
        return (np.arange(self.num_seg) * average + average / 2.0).astype(np.int64)

    def _one_of_each(self, count: int) -> NDArray[Any]:
        average = count // self.num_seg
        if self.valid_mode:
            if count <= self.num_seg:
                return np.zeros(self.num_seg, np.int64)
            step = count / self.num_seg
            return np.array([int(step / 2.0 + step * k) for k in range(self.num_seg)])
        if average > 0:
            return np.arange(self.num_seg) * average + np.random.randint(average, size=self.num_seg)
        if count > self.num_seg:
            return np.sort(np.random.randint(count, size=self.num_seg))
        return np.zeros(self.num_seg, np.int64)

    def _dense(self, count: int) -> list[int]:
        positions = max(1, 1 + count - _DENSE)
        step = _DENSE // self.num_seg
        if self.valid_mode:
            starts = np.linspace(0, positions - 1, num=10, dtype=int).tolist()
        else:
            starts = [0 if positions == 1 else np.random.randint(0, positions - 1)]
        return [(k * step + start) % count for start in starts for k in range(self.num_seg)]

    def _parts(self, count: int) -> list[int]:
        """The first frame of each part."""
        average = count // self.num_seg
        starts = []
        for part in range(self.num_seg):
            inside = 0
            if average >= self.seg_len:
                inside = (average - 1) // 2 if self.valid_mode else random.randint(0, average - self.seg_len)
            starts.append(inside + part * average if average >= 1 else part)
        return starts


def _from_folder(results: Results, chosen: list[int]) -> list[Image.Image]:
    """The pictures of a folder; the name made from "suffix" cannot lead out of it."""
    read = File2Image()
    try:
        names = [os.path.basename(str(results["suffix"]).format(number)) for number in chosen]
        paths = [os.path.join(results["frame_dir"], name) for name in names]
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as exc:
        raise BadInput("format 'frame' needs 'frame_dir', and 'suffix' such as 'img_{:05}.jpg'") from exc
    try:
        return [Image.fromarray(np.ascontiguousarray(read(path)[:, :, ::-1])) for path in paths]
    except OSError as exc:
        raise BadInput(f"the frame {os.path.basename(str(exc.filename))!r} cannot be read") from exc


def _from_video(results: Results, chosen: list[int]) -> list[Image.Image] | Array:
    frames, backend = results.get("frames"), results.get("backend")
    if backend not in ("cv2", "pyav") or not isinstance(frames, list | tuple | np.ndarray):
        raise BadInput("format 'video' needs 'frames', and backend 'cv2' or 'pyav', as VideoDecoder gives them")
    if max(chosen) >= len(frames):
        raise BadInput(f"'frames_len' says more than there are: {len(frames)} frames")
    if backend == "pyav":
        return np.stack([frames[k] for k in chosen])
    return [Image.fromarray(np.ascontiguousarray(frames[k])) for k in chosen]
