"""Draw docs/images/regions.jpg: regions of shipped example images, without and with areas.

Run: python examples/regions_picture.py docs/images/regions.jpg
"""

import sys
from importlib.resources import files
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from faprompt import Areas, Detector, Look, Region, find_regions
from faprompt.detection.rendering import outlined

SIDE, GAP, TEXT = 300, 10, 62
IMAGES = ("denim/test/hole/009.jpg", "denim/test/dent/015.jpg", "denim/test/crack/003.jpg")
MM_PER_PIXEL = 0.25  # made up: these parts are rendered
LOOKS = (
    ("regions of the whole image", Look(responses=True)),
    ("--ignore (hatched)", Look(areas=Areas.parse(ignore=["0,0 120,0 120,320 0,320"]))),
)


def main(target: Path) -> None:
    """Draw a column per image, a row per way of looking at it."""
    detector = Detector.load("tiny")
    root = Path(str(files("faprompt").joinpath("assets", "examples")))
    size = (len(IMAGES) * (SIDE + GAP) - GAP, len(LOOKS) * (SIDE + TEXT + GAP) - GAP)
    picture = Image.new("RGB", size, "white")
    for row, (title, look) in enumerate(LOOKS):
        for column, name in enumerate(IMAGES):
            place = column * (SIDE + GAP), row * (SIDE + TEXT + GAP)
            picture.paste(card(detector, root / name, title, look), place)
    picture.save(target, quality=88)


def card(detector: Detector, path: Path, title: str, look: Look) -> Image.Image:
    """The heat map with its regions' outlines, and the figures of the largest below."""
    found = detector.predict(path, look=look)
    regions = find_regions(
        found.anomaly_map,
        detector.header.colour_limits[0],
        min_area=50,
        mm_per_pixel=MM_PER_PIXEL,
        responses=found.responses,
    )
    shown = outlined(found.overlay(), [region.polygon for region in regions])
    if look.areas is not None:
        counting = look.areas.counting(found.image.size)
        hatch = Image.new("RGB", found.image.size, (130, 130, 130))
        lines = ImageDraw.Draw(hatch)
        for x in range(-found.image.height, found.image.width, 12):
            lines.line([(x, found.image.height), (x + found.image.height, 0)], fill="white")
        shown.paste(hatch, mask=Image.fromarray(~counting))
    drawn = Image.new("RGB", (SIDE, SIDE + TEXT), "white")
    drawn.paste(shown.resize((SIDE, SIDE)), (0, 0))
    text = f"{title}\nimage score {found.image_score:.2f}; " + told(regions)
    ImageDraw.Draw(drawn).multiline_text(
        (2, SIDE + 4), text, fill="black", font=ImageFont.load_default(13), spacing=3
    )
    return drawn


def told(regions: list[Region]) -> str:
    """What is known of the region with the largest peak."""
    if not regions:
        return "no region"
    first = regions[0]
    words = "1 region" if len(regions) == 1 else f"the first of {len(regions)} regions"
    return f"{words}:\n{first.area} px, {first.area_mm2:.0f} mm^2, peak {first.peak:.2f}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
