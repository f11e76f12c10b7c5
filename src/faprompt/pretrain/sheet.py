"""A contact sheet: per scene kind the clean picture, the damaged one, its mask and its caption.

Shapes: S side in pixels.
"""

import os
from pathlib import Path
from random import Random

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from faprompt.pretrain.captions import abnormal_caption, places_of
from faprompt.pretrain.kinds import Split, defects_of
from faprompt.pretrain.photos import PhotoBank
from faprompt.pretrain.renderer import Rendered, Renderer

ROWS_PER_COLUMN = 8
CAPTION_HEIGHT = 14
TRIES = 20


def contact_sheet(
    path: Path, *, split: Split, size: int = 128, seed: int = 0, photos: PhotoBank | None = None
) -> Path:
    """Draw one scene of every kind of a split into an image file.

    Args:
        path: Where the sheet goes; the suffix names the format.
        split: "train", "heldout" or "example".
        size: S, a multiple of 8.
        seed: Chooses other scenes.
        photos: Photographs; without them the kinds that need some are left out.
    """
    renderer = Renderer(split, photos=photos)
    columns = -(-len(renderer.kinds) // ROWS_PER_COLUMN)
    height = size + CAPTION_HEIGHT
    rows = min(ROWS_PER_COLUMN, len(renderer.kinds))
    sheet = Image.new("RGB", (columns * 3 * size, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for place in range(len(renderer.kinds)):
        rendered = _seen(renderer, place, size, seed)
        x, y = place // ROWS_PER_COLUMN * 3 * size, place % ROWS_PER_COLUMN * height
        mask = rendered.mask[0].expand(3, -1, -1)
        for column, picture in enumerate((rendered.clean[0], rendered.damaged[0], mask)):
            sheet.paste(_image(picture), (x + column * size, y))
        scene, defect = rendered.scenes[0], rendered.defects[0]
        where = places_of(rendered.mask[:, 0])[0]
        caption = abnormal_caption(scene, defect, where, Random(seed + place))
        draw.text((x + 3, y + size + 1), f"{scene.name}, {defect.name}: {caption}", "black")
    temporary = path.with_name(f".{os.getpid()}{path.name}")
    sheet.save(temporary, quality=88)
    temporary.replace(path)
    return path


def _seen(renderer: Renderer, place: int, size: int, seed: int) -> Rendered:
    """A scene of one kind whose defect can be seen; kinds start at different defects."""
    kind = renderer.kinds[place]
    possible = defects_of(kind.family)
    for attempt in range(TRIES):
        defect = possible[(place + attempt) % len(possible)]
        rendered = renderer.render_kind(
            seed * 1000 + place * TRIES + attempt, 1, size, scene=kind.name, defect=defect.name
        )
        if bool(rendered.visible[0]):
            break
    return rendered


def _image(picture: Tensor) -> Image.Image:
    """(3, S, S) in [0, 1] to an image."""
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(pixels)
