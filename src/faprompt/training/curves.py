"""Training curves as a PNG, drawn with Pillow."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from faprompt.files import replacing

WIDTH, HEIGHT = 900, 380
TOP, BOTTOM, PANEL_WIDTH = 40, 310, 340
FIRST_LEFT, SECOND_LEFT = 70, 520
INK, GRID, MARK = (40, 40, 40), (225, 225, 225), (170, 170, 170)
COLOURS = {
    "loss": (31, 119, 180),
    "image_auroc": (214, 39, 40),
    "pixel_auroc": (44, 160, 44),
    "pixel_aupro": (148, 103, 189),
}
NAMES = {
    "loss": "loss",
    "image_auroc": "image AUROC",
    "pixel_auroc": "pixel AUROC",
    "pixel_aupro": "pixel AUPRO",
}
LEGEND_STEP = 130

Points = list[tuple[int, float]]


def draw_curves(path: Path, history: Sequence[dict[str, Any]], *, chosen: int | None) -> None:
    """Draw loss (left) and held-out figures (right) by epoch; the chosen epoch is marked.

    Args:
        path: PNG to write.
        history: One record per epoch with ``epoch``, ``loss`` and ``heldout``.
        chosen: Epoch to mark.
    """
    image = Image.new("RGB", (WIDTH, HEIGHT), "white")
    draw = ImageDraw.Draw(image)
    losses = {"loss": [(r["epoch"], r["loss"]) for r in history]}
    names = [n for n in COLOURS if n != "loss"]
    figures = {
        n: [
            (r["epoch"], r["heldout"][n])
            for r in history
            if r["heldout"] and r["heldout"][n] is not None
        ]
        for n in names
    }
    _draw_panel(draw, "training loss", losses, left=FIRST_LEFT, chosen=chosen)
    _draw_panel(draw, "held-out part of the source data", figures, left=SECOND_LEFT, chosen=chosen)
    with replacing(path) as temporary:
        image.save(temporary, format="PNG")


@dataclass(frozen=True, slots=True)
class _Panel:
    """A coordinate system on the picture."""

    draw: ImageDraw.ImageDraw
    left: int
    last: int
    """Last epoch on the axis."""
    low: float
    high: float

    def place(self, epoch: float, value: float) -> tuple[float, float]:
        """Pixel of a value at an epoch."""
        across = (epoch - 1) / (self.last - 1)
        up = (value - self.low) / (self.high - self.low)
        return self.left + across * PANEL_WIDTH, BOTTOM - up * (BOTTOM - TOP)

    def axes(self) -> None:
        """Grid, values and epochs."""
        for step in range(5):
            value = self.low + (self.high - self.low) * step / 4
            y = self.place(1, value)[1]
            self.draw.line((self.left, y, self.left + PANEL_WIDTH, y), GRID)
            self.draw.text((self.left - 8, y), f"{value:.3g}", INK, font=_font(), anchor="rm")
        for epoch in range(1, self.last + 1, math.ceil(self.last / 10)):
            x = self.place(epoch, self.low)[0]
            self.draw.text((x, BOTTOM + 6), str(epoch), INK, font=_font(), anchor="ma")
        middle = self.left + PANEL_WIDTH / 2
        self.draw.text((middle, BOTTOM + 24), "epoch", INK, font=_font(), anchor="ma")

    def line(self, row: int, name: str, points: Points) -> None:
        """One curve and, below the panel, its name and last value."""
        places = [self.place(x, y) for x, y in points]
        self.draw.line(places, COLOURS[name], width=2)
        for x, y in places:
            self.draw.ellipse((x - 3, y - 3, x + 3, y + 3), COLOURS[name])
        x, y = self.left + LEGEND_STEP * row, BOTTOM + 46
        self.draw.text((x, y), f"{NAMES[name]} {points[-1][1]:.3f}", COLOURS[name], font=_font())


def _draw_panel(
    draw: ImageDraw.ImageDraw,
    title: str,
    series: dict[str, Points],
    *,
    left: int,
    chosen: int | None,
) -> None:
    draw.text((left, TOP - 24), title, INK, font=_font())
    lines = {name: points for name, points in series.items() if points}
    if not lines:
        draw.text((left + 8, TOP + 8), "none (fixed epoch)", INK, font=_font())
        return
    everything = [point for points in lines.values() for point in points]
    low, high = _range([y for _, y in everything])
    panel = _Panel(draw, left, max(2, *(x for x, _ in everything)), low, high)
    panel.axes()
    if chosen is not None:
        x = panel.place(chosen, low)[0]
        draw.line((x, TOP, x, BOTTOM), MARK, width=2)
    for row, (name, points) in enumerate(lines.items()):
        panel.line(row, name, points)


@cache
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(13)


def _range(values: list[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    margin = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return low - margin, high + margin
