"""The frames of a video file."""

import os
import stat

import cv2

from paddle_serving_app.ops.arrays import require_size
from paddle_serving_app.ops.video import Results
from paddle_serving_client.errors import BadConfig, BadInput, MissingLibrary, TooLarge, UnsupportedMedia
from paddle_serving_client.message import Array

MAX_VIDEO_BYTES = 2 << 30
"""Of all decoded frames: 8,000 of 340x256, as in Kinetics-400; 340 of 1920x1080."""


class VideoDecoder:
    """All frames of the video under "filename", into memory.

    Args:
        backend: "cv2". Others are refused: in the original they never worked on Python 3.
        mode, sampling_rate, num_seg, num_clips, target_fps: accepted; they were for another backend.

    Sets `format`, `backend`, `frames` and `frames_len`. MP4, MOV, Matroska, WebM and AVI are read, from local files.
    For scripts: never for a path that came with a request.

    Raises:
        UnsupportedMedia: not such a file.
        BadInput: no such file, or damaged from its first frame.
        TooLarge: a frame over a limit of `arrays`, or more than `MAX_VIDEO_BYTES` of frames.

    Source: equal frame by frame, where both decode with the same FFmpeg.
    """

    def __init__(
        self,
        backend: str = "cv2",
        mode: str = "train",
        sampling_rate: int = 32,
        num_seg: int = 8,
        num_clips: int = 1,
        target_fps: int = 30,
    ) -> None:
        if backend != "cv2":
            raise BadConfig(f"VideoDecoder decodes with backend 'cv2', not {backend!r}")
        self.backend = backend
        self.mode = mode
        self.sampling_rate = sampling_rate
        self.num_seg = num_seg
        self.num_clips = num_clips
        self.target_fps = target_fps

    def __call__(self, results: Results) -> Results:
        frames = _frames_of(_require_video(results.get("filename")))
        results.update(format="video", backend=self.backend, frames=frames, frames_len=len(frames))
        return results

    def __repr__(self) -> str:
        return f"VideoDecoder({self.backend!r})"


def _require_video(path: object) -> str:
    """The path of a regular file of a kind that is read. OpenCV would open cameras, network streams and playlists."""
    if not isinstance(path, str | os.PathLike):
        raise BadInput("'filename' must be the path of a video")
    name = os.path.abspath(os.fspath(path))
    try:
        with open(name, "rb") as file:
            is_regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            head = file.read(16) if is_regular else b""
    except (OSError, ValueError) as exc:
        raise BadInput(f"the video {os.path.basename(str(name))!r} cannot be opened") from exc
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    if not (
        head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip") or head[:4] == b"\x1aE\xdf\xa3" or is_avi
    ):
        raise UnsupportedMedia("not a video that is read here: MP4, MOV, Matroska, WebM and AVI are")
    return str(name)


def _frames_of(path: str) -> list[Array]:
    if not hasattr(cv2, "VideoCapture"):
        raise MissingLibrary("this OpenCV was built without video: pip install opencv-python-headless")
    capture = cv2.VideoCapture(path)
    frames: list[Array] = []
    try:
        require_size(
            int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)), "the video"
        )
        left = MAX_VIDEO_BYTES
        for _ in range(max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)):
            is_read, frame = capture.read()
            if not is_read:
                continue
            if (left := left - frame.nbytes) < 0:
                raise TooLarge(f"the decoded video has more than {MAX_VIDEO_BYTES:,} bytes; cut it")
            frames.append(frame[:, :, ::-1])
    finally:
        capture.release()
    if not frames:
        raise BadInput("no frame of the video can be decoded")
    return frames
