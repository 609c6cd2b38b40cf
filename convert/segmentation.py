"""A small segmentation network, trained here: circles, squares and triangles of any colour. Train, check, convert.

    python convert/segmentation.py       # about a minute on two cores; needs Paddle

Writes serving_model/segmentation, with labels.txt beside the model, and serving_client/segmentation. The pictures that
it learns from are drawn by this file, endlessly different; it has never seen a photo. It is there to try a service
with, and to show how a network of one's own gets into one.

    image float32 (-1, 3, 128, 128), RGB, (x / 255 - 0.5) / 0.5  ->  scores float32 (-1, 4, 128, 128)
"""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # it runs from a checkout that is not installed, too

import cv2

from paddle_serving_client import manifest, model_config
from paddle_serving_client.errors import BadModel, MissingLibrary, ServingError
from paddle_serving_client.io import inference_model_to_serving

ROOT = Path(__file__).resolve().parents[1]
NAME = "segmentation"
LABELS = ("background", "circle", "square", "triangle")
LABEL_FILE = "labels.txt"
SIDE = 128
"""Of the input, in pixels."""
STEPS = 700
LEAST_OVERLAP = 0.6
"""Intersection over union that each class must reach on pictures that were not learnt from."""
_LEARNT_SIDE = 64
_BATCH = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Make the folders unless they are there and whole. Returns 0, or 1 with one line on stderr."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=ROOT, help="gets serving_model/ and serving_client/")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"batches to learn from (default {STEPS})")
    said = parser.parse_args(argv)
    server, client = said.root / "serving_model" / NAME, said.root / "serving_client" / NAME
    try:
        if is_there(server, client):
            print(f"{NAME}: there already, and whole")
            return 0
        network = trained(said.steps)
        overlaps = check(network)
        with tempfile.TemporaryDirectory(prefix="serving_") as folder:
            save(network, Path(folder))
            inference_model_to_serving(folder, server, client, fetch_alias_names="scores")
        (server / LABEL_FILE).write_text("\n".join(LABELS) + "\n", encoding="utf-8")
        manifest.write(server, [*manifest.verify(server).files, LABEL_FILE])
        found = ", ".join(f"{label} {overlap:.2f}" for label, overlap in zip(LABELS, overlaps, strict=True))
        print(f"{NAME}: overlaps {found}; wrote {server} and {client}")
    except (ServingError, OSError) as exc:
        print(f"{NAME}: {exc}", file=sys.stderr)
        return 1
    return 0


def is_there(server: Path, client: Path) -> bool:
    """Whether an earlier run made both folders and nothing has changed since."""
    if not server.exists() or not (client / model_config.CLIENT_CONFIG).exists():
        return False
    try:
        return LABEL_FILE in manifest.verify(server).files
    except BadModel as exc:
        print(f"{NAME}: made again: {exc}")
        return False


def scene(rng: np.random.Generator, side: int) -> tuple[Any, Any]:
    """A picture to learn from: RGB (side, side, 3) uint8, and the class of each pixel, (side, side) uint8.

    One to three shapes for each 64 x 64 pixels, 10 to 20 pixels from their middle to their edge, none touching
    another, of a colour that stands out, slightly turned and stretched, on a blurred background with noise.
    """
    ground = cv2.resize(
        rng.uniform(0, 255, (*rng.integers(2, 5, 2), 3)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC
    )
    blend = rng.uniform(0, 0.4)
    image = np.clip(ground * blend + rng.uniform(0, 255, 3) * (1 - blend), 0, 255)
    classes = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.integers(1, 4)) * (side // 64) ** 2):
        kind = int(rng.integers(1, len(LABELS)))
        shape = _shape(rng, kind, side)
        if classes[cv2.dilate(shape, np.ones((7, 7), np.uint8)) > 0].any():
            continue
        beneath = image[shape > 0].mean(axis=0)
        color = rng.uniform(0, 255, 3)
        while np.abs(color - beneath).max() < 80:
            color = rng.uniform(0, 255, 3)
        cover = (shape / 255.0)[..., None]
        image = image * (1 - cover) + color * cover
        classes[shape > 127] = kind
    return np.clip(image + rng.normal(0, rng.uniform(0, 8), image.shape), 0, 255).astype(np.uint8), classes


def _shape(rng: np.random.Generator, kind: int, side: int) -> Any:
    """One shape, 255 on 0, with soft edges."""
    corners = (64, 4, 3)[kind - 1]
    upright = np.pi / 4 if kind == 2 else -np.pi / 2
    angles = upright + np.arange(corners) * 2 * np.pi / corners
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(10, 20) * (1 if kind == 1 else 1.15)
    stretch = rng.uniform(0.85, 1.0 / 0.85)
    turn = rng.uniform(-0.25, 0.25)
    points = points * [stretch, 1 / stretch] @ [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
    drawn = np.zeros((side, side), np.uint8)
    fixed_point = np.round((points + rng.uniform(8, side - 8, 2)) * 16).astype(np.int32)
    cv2.fillPoly(drawn, [fixed_point], (255,), cv2.LINE_AA, 4)
    return drawn


def prepared(pictures: Sequence[Any]) -> Any:
    """Pictures as input: (N, 3, H, W) float32, -1 to 1."""
    return np.stack(pictures).astype(np.float32).transpose(0, 3, 1, 2) / 127.5 - 1


def trained(steps: int) -> Any:
    """The network, after that many batches.

    Raises:
        MissingLibrary: Paddle is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Paddle's, about compilers
            import paddle
    except ImportError as exc:
        raise MissingLibrary("training needs Paddle: pip install paddlepaddle") from exc
    paddle.seed(1)
    rng = np.random.default_rng(1)
    network = _network(paddle)
    pace = paddle.optimizer.lr.OneCycleLR(max_learning_rate=6e-3, total_steps=steps)
    optimizer = paddle.optimizer.AdamW(pace, parameters=network.parameters())
    weight = paddle.to_tensor([0.4, 1.0, 1.0, 1.0])  # most pixels are background
    warnings.filterwarnings("ignore", "When training, we now always track", module="paddle")
    for step in range(steps):
        pictures, classes = zip(*(scene(rng, _LEARNT_SIDE) for _ in range(_BATCH)), strict=True)
        scores = network(paddle.to_tensor(prepared(pictures))).transpose([0, 2, 3, 1])
        wanted = paddle.to_tensor(np.stack(classes).astype(np.int64))
        loss = paddle.nn.functional.cross_entropy(scores, wanted, weight=weight)
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        pace.step()
        if step % 100 == 0:
            print(f"{NAME}: step {step} of {steps}, loss {float(loss):.3f}", flush=True)
    network.eval()
    return network


def _network(paddle: Any) -> Any:
    """A small U-Net: four times halved and doubled again, with what was there before at each size; 200,000 weights."""
    nn = paddle.nn

    def block(count: int, to: int, stride: int = 1) -> Any:
        conv = nn.Conv2D(count, to, 3, stride=stride, padding=1, bias_attr=False)
        return nn.Sequential(conv, nn.BatchNorm2D(to), nn.ReLU())

    class UNet(nn.Layer):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.LayerList(
                [
                    block(3, 16, 2),
                    nn.Sequential(block(16, 32, 2), block(32, 32)),
                    nn.Sequential(block(32, 64, 2), block(64, 64)),
                    nn.Sequential(block(64, 64, 2), block(64, 64)),
                ]
            )
            self.up = nn.LayerList([block(128, 32), block(64, 16), block(32, 16)])
            self.last = nn.Conv2D(16, len(LABELS), 1)

        def forward(self, image: Any) -> Any:
            half = self.down[0](image)
            quarter = self.down[1](half)
            eighth = self.down[2](quarter)
            deep = self.down[3](eighth)
            for up, before in ((self.up[0], eighth), (self.up[1], quarter), (self.up[2], half)):
                deep = up(paddle.concat([nn.functional.interpolate(deep, scale_factor=2), before], 1))
            return nn.functional.interpolate(self.last(deep), scale_factor=2, mode="bilinear")

    return UNet()


def check(network: Any) -> list[float]:
    """How well it does on pictures that it has not seen: intersection over union of each class.

    Raises:
        BadModel: one is below `LEAST_OVERLAP`.
    """
    rng = np.random.default_rng(2)
    pictures, classes = zip(*(scene(rng, SIDE) for _ in range(16)), strict=True)
    wanted = np.stack(classes)
    got = network(sys.modules["paddle"].to_tensor(prepared(pictures))).numpy().argmax(axis=1)
    overlaps = []
    for k, label in enumerate(LABELS):
        overlaps.append(float(((got == k) & (wanted == k)).sum() / ((got == k) | (wanted == k)).sum()))
        if overlaps[-1] < LEAST_OVERLAP:
            raise BadModel(f"the trained network finds {label} with {overlaps[-1]:.2f}, expected {LEAST_OVERLAP}")
    return overlaps


def save(network: Any, folder: Path) -> None:
    """Write the network in the form of Paddle 2, which more libraries read: inference.pdmodel, inference.pdiparams."""
    paddle = sys.modules["paddle"]
    spec = [paddle.static.InputSpec([None, 3, SIDE, SIDE], "float32", "image")]
    with warnings.catch_warnings(), paddle.pir_utils.OldIrGuard():
        warnings.simplefilter("ignore")
        paddle.jit.save(network, str(folder / "inference"), input_spec=spec)


if __name__ == "__main__":
    sys.exit(main())
