"""Draw docs/images/result.jpg: shipped example images, their heat maps and the true defects.

Run: python examples/result_picture.py docs/images/result.jpg
"""

import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
from PIL import Image

from faprompt import Detector

SIDE, GAP = 200, 8
PICKED = {"biscuit": 2, "denim": 2, "dial": 2}  # damaged images per kind, then one flawless each


def main(target: Path) -> None:
    """Draw one column per image: as it is, with its heat map, with its true defect."""
    detector = Detector.load("tiny")
    root = Path(str(files("faprompt").joinpath("assets", "examples")))
    columns = [
        column(detector, path) for kind, n in PICKED.items() for path in pick(root / kind, n)
    ]
    width, height = len(columns) * (SIDE + GAP) - GAP, 3 * (SIDE + GAP) - GAP
    picture = Image.new("RGB", (width, height), "white")
    for x, column_images in enumerate(columns):
        for y, image in enumerate(column_images):
            picture.paste(image.resize((SIDE, SIDE)), (x * (SIDE + GAP), y * (SIDE + GAP)))
    picture.save(target, quality=88)


def pick(kind: Path, damaged: int) -> list[Path]:
    """The first ``damaged`` images with a defect and the first one without."""
    defects = sorted(p for p in kind.glob("test/*/*.jpg") if p.parent.name != "good")
    return [*defects[:damaged], *sorted(kind.glob("test/good/*.jpg"))[:1]]


def column(detector: Detector, path: Path) -> list[Image.Image]:
    """Image, heat map, and image with the outline of its defect."""
    prediction = detector.predict(path)
    truth = np.array(prediction.image)
    masks = path.parents[2] / "ground_truth" / path.parent.name
    for mask_path in masks.glob(f"{path.stem}_mask.png"):
        mask = np.array(Image.open(mask_path).convert("L")) > 127
        inner = mask & np.roll(mask, 2, 0) & np.roll(mask, -2, 0)
        inner &= np.roll(mask, 2, 1) & np.roll(mask, -2, 1)
        truth[mask & ~inner] = (230, 30, 30)
    return [prediction.image, prediction.overlay(), Image.fromarray(truth)]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
