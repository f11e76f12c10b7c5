"""Rendered pictures as a small labelled data set on disk, in the MVTec layout.

<out>/<scene>/test/good/000.jpg, test/<defect>/003.jpg, ground_truth/<defect>/003_mask.png
"""

import os
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from faprompt.errors import OutputError
from faprompt.pretrain.kinds import SceneKind, Split, defects_of
from faprompt.pretrain.photos import PhotoBank
from faprompt.pretrain.renderer import Rendered, Renderer

JPEG_QUALITY = 90
SEED_STEP = 1009
"""Between the seeds of two pictures."""


@dataclass(frozen=True, slots=True)
class RenderedSet:
    """What was written."""

    folder: Path
    normal: int
    anomalous: int


def render_dataset(
    out: Path,
    *,
    split: Split,
    count: int,
    size: int = 256,
    seed: int = 0,
    photos: PhotoBank | None = None,
) -> RenderedSet:
    """Render ``count`` pictures of a split's kinds: every second one has a defect.

    The kinds take turns, and so do the defects of a kind; good pictures are scenes of their own,
    not twins. The same arguments give the same pictures.

    Args:
        out: A new or empty folder.
        split: "train", "heldout" or "example".
        count: Pictures in all.
        size: Side in pixels, a multiple of 8.
        seed: Chooses other pictures.
        photos: Photographs; without them the kinds that need some are left out.

    Raises:
        OutputError: ``out`` holds something already.
        ConfigError: the size or the split cannot be.
    """
    if out.exists() and any(out.iterdir()):
        raise OutputError(f"{out}: not empty; name a new folder")
    renderer = Renderer(split, photos=photos)
    normal = anomalous = 0
    for index in range(count):
        kind = renderer.kinds[(index // 2) % len(renderer.kinds)]
        turn = index // 2 // len(renderer.kinds)
        wanted = index % 2 == 1
        shown, defect, mask = _picture(renderer, kind, (seed, index, turn), size, damaged=wanted)
        folder = out / kind.name / "test" / (defect or "good")
        _write(folder / f"{index:03d}.jpg", shown)
        if defect is None:
            normal += 1
            continue
        anomalous += 1
        _write(out / kind.name / "ground_truth" / defect / f"{index:03d}_mask.png", mask)
    return RenderedSet(out, normal, anomalous)


def _picture(
    renderer: Renderer, kind: SceneKind, place: tuple[int, int, int], size: int, *, damaged: bool
) -> tuple[Tensor, str | None, Tensor]:
    """Picture (3, S, S), name of its defect (None: good) and mask (1, S, S)."""
    seed, index, turn = place
    possible = defects_of(kind.family)
    offset = renderer.kinds.index(kind) * 5 + seed
    attempt = 0
    while True:
        defect = possible[(turn + offset + attempt) % len(possible)].name
        number = (seed * 1_000_000 + index) * SEED_STEP + attempt
        rendered: Rendered = renderer.render_kind(number, 1, size, scene=kind.name, defect=defect)
        if not damaged:
            return rendered.clean[0], None, torch.zeros_like(rendered.mask[0])
        if bool(rendered.visible[0]):
            return rendered.damaged[0], defect, rendered.mask[0]
        attempt += 1  # this defect cannot be seen there: try the next one


def _write(path: Path, picture: Tensor) -> None:
    """Write (1 or 3, S, S) in [0, 1] as JPEG or PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0).squeeze(2).cpu().numpy()
    temporary = path.with_name(f".{path.name}.{os.getpid()}{path.suffix}")
    if path.suffix == ".jpg":
        Image.fromarray(pixels).save(temporary, quality=JPEG_QUALITY, subsampling=0)
    else:
        Image.fromarray(pixels).save(temporary, optimize=True)
    temporary.replace(path)
