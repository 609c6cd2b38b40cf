"""Make the pictures beside this file: text rendered, bent and photographed, as far as a program can do that.

    python tests/data/pictures/make_pictures.py FOLDER [--samples static/samples]

FOLDER holds the photos that scikit-image 0.26 and scikit-learn 1.9 carry (`skimage/data`, `sklearn/datasets/images`).
The fonts are Debian's fonts-noto-cjk, fonts-liberation and fonts-dejavu. README.md tells origin and licence of each
picture. The result is the same each time, up to the versions of the libraries.
"""

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
Picture = NDArray[np.uint8]
_FONTS = {
    "sans": ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 2),
    "bold": ("/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc", 2),
    "song": ("/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc", 2),
    "serif": ("/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf", 0),
    "mono": ("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc", 7),
}
_SAMPLES = ("page_curved_en", "receipt_zh", "street_sign_zh", "notice_upside_down_zh")

PAGE = """The Keeper of the Harbour Light

Every evening at half past six the old man climbed the
hundred and twelve steps of the tower, lit the lamp and
wrote one line into the book: wind north-west, sea calm,
four ships in sight. He had done so for thirty-one years,
and in all that time the light had failed only twice.

"A light," he used to say, "is a promise that somebody
is awake." On the night of 14 November 1887 the glass
fell to 28.4 inches and the barque Louisa, 640 tons, out
of Bergen with timber, lost her rudder off the Skerries.

What happened then is told in Chapter 7 (pp. 103-121).

                                42"""

RECEIPT = """        幸福里便利店
    杭州市西湖区文三路 268 号
    电话：0571-8796 5432
--------------------------------
商品名称        数量      金额
--------------------------------
纯牛奶 250ml      2      13.60
全麦面包          1       9.90
红富士苹果 kg   1.35     16.07
矿泉水            3       6.00
充电线 Type-C     1      29.90
--------------------------------
合计：                  ¥75.47
微信支付                ¥75.47
2026-08-14 18:32:07  单号 004817
      谢谢惠顾，欢迎再次光临！"""

NOTICE = """停水通知
各位住户：
因小区供水管道维修，定于9月12日
（星期六）上午8:30至下午5:00停水，
请提前做好储水准备，并关好水龙头。
不便之处，敬请谅解！
                 阳光花园物业服务中心
                 咨询电话：400-820-8820"""


def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    file, face = _FONTS[name]
    return ImageFont.truetype(file, size, index=face)


def sheet(
    text: str, name: str, size: int, paper: tuple[int, int, int], ink: tuple[int, int, int], margin: int, leading: float
) -> Picture:
    """Text on paper, line by line; colours are RGB."""
    type_ = font(name, size)
    lines = text.split("\n")
    wide = int(max(type_.getlength(line) for line in lines)) + 2 * margin
    canvas = Image.new("RGB", (wide, int(len(lines) * size * leading) + 2 * margin), paper)
    pen = ImageDraw.Draw(canvas)
    for k, line in enumerate(lines):
        pen.text((margin, margin + k * size * leading), line, font=type_, fill=ink)
    return np.asarray(canvas)[:, :, ::-1].copy()


def bent(page: Picture, depth: float) -> Picture:
    """The page of an open book: it curves away towards the spine on the left, and darkens there."""
    height, width = page.shape[:2]
    xs, ys = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    u = xs / width
    lift = depth * height * np.exp(-4 * u) + depth * 0.3 * height * np.sin(u * np.pi)
    squeezed = width * (u + 0.05 * np.exp(-5 * u) * (1 - u))
    margin = int(depth * height * 1.5)
    framed = cv2.copyMakeBorder(page, margin, margin, 0, 0, cv2.BORDER_REPLICATE)
    warped = cv2.remap(framed, squeezed, ys + margin - lift.astype(np.float32), cv2.INTER_CUBIC)
    shade = 0.55 + 0.45 * np.clip(u * 4, 0, 1) - 0.12 * np.clip(u - 0.7, 0, 1)
    return np.asarray((warped * shade[:, :, None]).clip(0, 255), np.uint8)


def laid(page: Picture, ground: Picture, corners: list[list[float]]) -> Picture:
    """Put a page on a ground so that its corners come to lie at `corners` (parts of the size), with a shadow."""
    height, width = ground.shape[:2]
    page_h, page_w = page.shape[:2]
    goal = np.array(corners, np.float32) * np.array([width, height], np.float32)
    matrix = cv2.getPerspectiveTransform(
        np.array([[0, 0], [page_w, 0], [page_w, page_h], [0, page_h]], np.float32), goal
    )
    mask = cv2.warpPerspective(np.full((page_h, page_w), 255, np.uint8), matrix, (width, height))
    shadow = cv2.GaussianBlur(np.roll(mask, (height // 60, width // 60), (0, 1)), (0, 0), width / 60)
    dark = ground * (1 - 0.55 * shadow[:, :, None] / 255)
    top = cv2.warpPerspective(page, matrix, (width, height), flags=cv2.INTER_AREA)
    part = mask[:, :, None] / 255
    return (dark * (1 - part) + top * part).clip(0, 255).astype(np.uint8)


def photographed(picture: Picture, seed: int, light: float, noise: float, blur: float) -> Picture:
    """Uneven light from one corner, a little blur, sensor noise."""
    height, width = picture.shape[:2]
    xs, ys = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    lit = picture * (1 - light * (0.6 * xs + 0.4 * ys))[:, :, None]
    soft = cv2.GaussianBlur(lit, (0, 0), blur) if blur else lit
    grain = np.random.default_rng(seed).normal(0, noise, picture.shape)
    return (soft + grain).clip(0, 255).astype(np.uint8)


def moved(picture: Picture, length: int, degrees: float) -> Picture:
    """Blurred by a movement of the hand."""
    kernel = np.zeros((length, length), np.float32)
    kernel[length // 2] = 1 / length
    turn = cv2.getRotationMatrix2D((length / 2 - 0.5, length / 2 - 0.5), degrees, 1)
    return cv2.filter2D(picture, -1, cv2.warpAffine(kernel, turn, (length, length))).astype(np.uint8)


def covering(ground: Picture, width: int, height: int) -> Picture:
    """A ground enlarged until it covers a size."""
    scale = max(width / ground.shape[1], height / ground.shape[0])
    large = cv2.resize(ground, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return large[:height, :width].astype(np.uint8)


def pictures(photos: Path) -> dict[str, Picture]:
    """All pictures by name."""

    def photo(name: str) -> Picture:
        found = cv2.imread(str(photos / name))
        if found is None:
            sys.exit(f"{photos / name} is not there")
        return found.astype(np.uint8)

    made: dict[str, Picture] = {}
    page = bent(sheet(PAGE, "serif", 40, (246, 241, 229), (38, 34, 32), 70, 1.32), 0.05)
    ground = covering(photo("coffee.png")[:, :220], 1000, 1250)
    made["page_curved_en"] = photographed(
        laid(page, ground, [[0.05, 0.07], [0.94, 0.03], [0.98, 0.95], [0.02, 0.93]]), 1, 0.35, 2.5, 0.7
    )
    receipt = bent(sheet(RECEIPT, "mono", 30, (250, 250, 247), (60, 60, 64), 40, 1.3), 0.012)
    ground = covering(photo("gravel.png"), 800, 1000) // 2 + 40
    made["receipt_zh"] = photographed(
        laid(receipt, ground, [[0.16, 0.05], [0.83, 0.09], [0.78, 0.96], [0.20, 0.92]]), 2, 0.3, 5, 0.7
    )
    sign = sheet("解放东路\nJIEFANG DONG LU", "bold", 70, (24, 72, 160), (255, 255, 255), 40, 1.25)
    street = covering(photo("china.jpg"), 960, 640)
    street = laid(sign, street, [[0.06, 0.62], [0.45, 0.54], [0.46, 0.79], [0.06, 0.89]])
    shop = sheet("老北京炸酱面馆", "bold", 90, (150, 20, 24), (250, 214, 90), 24, 1.2)
    street = laid(shop, street, [[0.55, 0.60], [0.97, 0.68], [0.97, 0.81], [0.55, 0.70]])
    made["street_sign_zh"] = photographed(street, 3, 0.1, 6, 0.6)
    notice = sheet(NOTICE, "song", 46, (255, 252, 236), (30, 30, 40), 60, 1.35)
    ground = covering(photo("brick.png"), 1000, 760)
    laid_notice = laid(notice, ground, [[0.07, 0.09], [0.95, 0.06], [0.93, 0.92], [0.05, 0.94]])
    made["notice_upside_down_zh"] = cv2.rotate(photographed(laid_notice, 4, 0.25, 5, 0.5), cv2.ROTATE_180).astype(
        np.uint8
    )
    made["notice_sideways_zh"] = cv2.rotate(laid_notice, cv2.ROTATE_90_CLOCKWISE).astype(np.uint8)
    banner = sheet("\n".join("热烈庆祝建校一百周年"), "bold", 60, (190, 20, 30), (255, 235, 130), 22, 1.15)
    made["banner_vertical_zh"] = photographed(
        laid(banner, covering(photo("grass.png"), 420, 860), [[0.30, 0.03], [0.62, 0.04], [0.64, 0.96], [0.31, 0.97]]),
        5,
        0.2,
        5,
        0.6,
    )
    night = sheet("出口 EXIT B2\n地铁 2 号线 →", "bold", 80, (10, 60, 30), (190, 240, 200), 40, 1.3)
    dark = (covering(photo("rocket.jpg"), 720, 480) * 0.35).astype(np.uint8)
    dark = laid(night, dark, [[0.12, 0.30], [0.90, 0.18], [0.88, 0.68], [0.14, 0.72]])
    made["exit_blurred"] = photographed(moved(dark, 9, 20), 6, 0.4, 14, 0)
    made["scan_en"] = photo("page.png")
    made["astronaut"] = photo("astronaut.png")
    made["flower"] = photo("flower.jpg")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path)
    parser.add_argument("--samples", type=Path, help="where a few of them go for the page")
    args = parser.parse_args()
    for name, picture in pictures(args.photos).items():
        folders = [HERE] + ([args.samples] if args.samples and name in _SAMPLES else [])
        for folder in folders:
            cv2.imwrite(str(folder / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])


if __name__ == "__main__":
    main()
