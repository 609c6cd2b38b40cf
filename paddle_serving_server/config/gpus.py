"""Which GPU each model runs on: `--gpu_ids`, and `CUDA_VISIBLE_DEVICES`.

Numbers are those of the machine, as `nvidia-smi` shows them. Where `CUDA_VISIBLE_DEVICES` lists some of them, the
driver counts only these, from 0: with `CUDA_VISIBLE_DEVICES=2,3`, `--gpu_ids 3` is the library's GPU 1.
"""

import os
from collections.abc import Sequence

from paddle_serving_client.errors import BadConfig


class NotVisible(BadConfig):
    """A GPU that `CUDA_VISIBLE_DEVICES` hides."""


def gpus_of(words: Sequence[str], models: int, visible: str | None) -> list[int | None]:
    """The GPU of each model, as the library counts; None for CPU.

    Args:
        words: those behind `--gpu_ids`: one for each model, or one for all; none or "-1" for CPU.
        models: how many there are.
        visible: `CUDA_VISIBLE_DEVICES`, or None where it is not set.

    Raises:
        BadConfig: no numbers, one below -1, CPU and GPU or several GPUs for one model, or too many words.
        NotVisible: a GPU that `visible` does not list.
    """
    chosen = [_one_of(word) for word in words if word.strip()]
    if len(chosen) > max(models, 1):
        raise BadConfig(f"--gpu_ids has {len(chosen)} items ({' '.join(words)}) for {models} models")
    if len(chosen) == 1:
        chosen *= max(models, 1)
    chosen += [None] * (models - len(chosen))
    return [gpu if gpu is None else _as_the_driver_counts(gpu, visible) for gpu in chosen]


def gpu_of(gpu_ids: Sequence[str]) -> int | None:
    """The GPU of a single model, as the library counts; None for CPU."""
    return gpus_of(gpu_ids, 1, os.environ.get("CUDA_VISIBLE_DEVICES"))[0]


def _one_of(word: str) -> int | None:
    try:
        numbers = {int(part) for part in word.split(",") if part.strip()}
    except ValueError:
        raise BadConfig(f"--gpu_ids takes numbers, got {word}") from None
    if any(n < -1 for n in numbers):
        raise BadConfig(f"The input of gpuid error: --gpu_ids must be -1 (CPU) or more, got {word}")
    if -1 in numbers and len(numbers) > 1:
        raise BadConfig(f"You can not use CPU and GPU in one model: --gpu_ids mixes -1 with others, got {word}")
    if len(numbers) > 1:
        raise BadConfig(f"--gpu_ids takes one GPU for each model, got {word}; start one server for each GPU instead")
    (number,) = numbers or {-1}
    return None if number == -1 else number


def _as_the_driver_counts(gpu: int, visible: str | None) -> int:
    listed = [part.strip() for part in (visible or "").split(",") if part.strip()]
    if visible is None or not all(part.isdigit() for part in listed):  # not set, or names such as GPU-8f3c...
        return gpu
    if str(gpu) not in listed:
        raise NotVisible(f"gpu_ids is not in CUDA_VISIBLE_DEVICES. GPU {gpu}; there are {visible or 'none'}")
    return listed.index(str(gpu))
