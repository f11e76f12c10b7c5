"""The picture of a run."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from faprompt.training.curves import COLOURS, draw_curves


def record(epoch: int, **figures: float | None) -> dict[str, Any]:
    names = ("image_auroc", "pixel_auroc", "pixel_aupro")
    heldout = {name: figures.get(name) for name in names} if figures else None
    return {"epoch": epoch, "loss": 4.0 / epoch, "heldout": heldout}


def colours(path: Path) -> set[Any]:
    with Image.open(path) as image:
        image.load()
        assert (image.format, image.mode) == ("PNG", "RGB")
        found = image.getcolors(maxcolors=image.width * image.height) or []
        return {colour for _, colour in found}


def test_every_curve_is_drawn(tmp_path: Path) -> None:
    history = [
        record(e, image_auroc=0.5 + e / 50, pixel_auroc=0.9, pixel_aupro=0.0) for e in range(1, 16)
    ]
    draw_curves(tmp_path / "curves.png", history, chosen=15)
    assert set(COLOURS.values()) <= colours(tmp_path / "curves.png")


@pytest.mark.parametrize(
    "history",
    [
        [record(1)],
        [record(1, image_auroc=0.7)],
        [record(1, image_auroc=None), record(2, image_auroc=None)],
        [record(1, image_auroc=0.0), record(2, image_auroc=None)],
    ],
)
def test_short_and_undefined_histories_are_drawn(history: list[Any], tmp_path: Path) -> None:
    draw_curves(tmp_path / "curves.png", history, chosen=None)
    found = colours(tmp_path / "curves.png")
    assert COLOURS["loss"] in found
    defined = any((r["heldout"] or {}).get("image_auroc") is not None for r in history)
    assert (COLOURS["image_auroc"] in found) == defined
