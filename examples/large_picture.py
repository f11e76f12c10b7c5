"""Draw docs/images/large.jpg: cloth with small defects, looked at once and by windows.

The cloth is a shipped example image, mirrored again and again; stains and a scratch are painted.

Run: python examples/large_picture.py docs/images/large.jpg
"""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from faprompt import Detector
from faprompt.detection.look import Look
from faprompt.detection.tiling import Tiling

REPEATS = 4  # of the image and its mirror image, along both sides
SPOTS = [(420, 300, 14), (1490, 800, 10), (700, 1560, 18), (1800, 1750, 8)]  # x, y, radius
SCRATCH = [(1100, 420), (1160, 470), (1190, 530)]
SHOWN, GAP = 560, 10


def cloth() -> Image.Image:
    """2048 x 2048 pixels of denim without a defect."""
    good = Path(str(files("faprompt").joinpath("assets", "examples", "denim", "test", "good")))
    pixels = np.asarray(Image.open(sorted(good.glob("*.jpg"))[0]).convert("RGB"))
    pair = np.concatenate([pixels, pixels[:, ::-1]], axis=1)
    block = np.concatenate([pair, pair[::-1]])
    return Image.fromarray(np.tile(block, (REPEATS, REPEATS, 1)))


def damaged(image: Image.Image) -> Image.Image:
    """Stains and a scratch of a few pixels."""
    mask = Image.new("L", image.size)
    draw = ImageDraw.Draw(mask)
    for x, y, radius in SPOTS:
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=220)
    draw.line(SCRATCH, fill=220, width=5, joint="curve")
    return Image.composite(
        Image.new("RGB", image.size, (60, 40, 25)), image, mask.filter(ImageFilter.GaussianBlur(2))
    )


def main(target: Path) -> None:
    """Draw the cloth with its defects circled, and both heat maps."""
    detector = Detector.load("tiny")
    image = damaged(cloth())
    once = detector.predict(image)
    windows = detector.predict(image, look=Look(tiling=Tiling.parse("auto")))
    marked = image.copy()
    for x, y, _ in [*SPOTS, (1150, 475, 0)]:
        box = (x - 80, y - 80, x + 80, y + 80)
        ImageDraw.Draw(marked).ellipse(box, outline=(230, 30, 30), width=10)
    drawn = Image.new("RGB", (3 * SHOWN + 2 * GAP, SHOWN), "white")
    for i, part in enumerate((marked, once.overlay(), windows.overlay())):
        drawn.paste(part.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS), (i * (SHOWN + GAP), 0))
    drawn.save(target, quality=88)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
