"""ROC and PRO curves as inline SVG: lines of the mean over classes and seeds, no scripts.

Shapes: P points on the axis of false positive rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from faprompt.metrics.bootstrap import Floats, PixelBins
from faprompt.metrics.pixel import FPR_LIMIT
from faprompt.protocol.cells import ClassPart

POINTS = 121
WIDTH, HEIGHT = 320, 270
LEFT, TOP, SIDE, TALL = 40, 14, 268, 210


@dataclass(frozen=True, slots=True)
class Line:
    """One curve."""

    name: str
    style: int
    """Number of its colour; 0 is the method that the others are compared with."""
    height: Floats
    """At evenly spaced false positive rates, (P,)."""


def curve_of(parts: Sequence[ClassPart], kind: str) -> Floats | None:
    """Mean curve of classes (of any number of seeds), (POINTS,); None where undefined.

    Args:
        parts: Of one method.
        kind: ``image`` (ROC), ``pixel`` (ROC) or ``pro`` (up to the limit of AUPRO).
    """
    curves = []
    for part in parts:
        if kind == "image":
            if part.facts["values"]["image_auroc"] is not None:
                curves.append(_image_roc(part))
        elif part.bins is not None:
            curves.append(_pixel_curve(part.bins, kind))
    return np.mean(curves, axis=0) if curves else None


def _image_roc(part: ClassPart) -> Floats:
    order = np.argsort(-part.scores, kind="stable")
    last = np.append(np.diff(part.scores[order]) != 0, True)  # ties are one step
    truth = part.labels[order] == 1
    return _at_rates(truth.cumsum()[last], (~truth).cumsum()[last], limit=1.0)


def _pixel_curve(bins: PixelBins, kind: str) -> Floats:
    table, limit = (bins.positives, 1.0) if kind == "pixel" else (bins.overlap, FPR_LIMIT)
    hits, false = (t.sum(axis=0, dtype=np.float64)[::-1].cumsum() for t in (table, bins.negatives))
    return _at_rates(hits, false, limit=limit)


def _at_rates(hits: Floats, false: Floats, *, limit: float) -> Floats:
    """Height at POINTS rates from 0 to ``limit``, linear between steps."""
    rate = np.concatenate([[0.0], false / false[-1]])
    height = np.concatenate([[0.0], hits / hits[-1]])
    grid = np.linspace(0, limit, POINTS)
    found: Floats = np.interp(grid, rate, height)
    return found


def svg(title: str, lines: Sequence[Line], *, limit: float, up: str) -> str:
    """A panel with axes and lines.

    Args:
        title: Above the panel.
        lines: Drawn in order, the first on top.
        limit: Right end of the axis of false positive rates.
        up: What the vertical axis is.
    """
    drawn = "".join(_polyline(line) for line in reversed(lines))
    label = f"{title}: {', '.join(line.name for line in lines)}"
    return (
        f'<figure class="curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(label)}">{_axes(limit)}{drawn}'
        f'<text x="{LEFT + SIDE / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        "false positive rate</text>"
        f'<text x="{-(TOP + TALL / 2)}" y="11" transform="rotate(-90)" text-anchor="middle">'
        f"{escape(up)}</text></svg><figcaption>{escape(title)}</figcaption></figure>"
    )


def legend(lines: Sequence[Line]) -> str:
    """Names of the lines beside their colours."""
    items = "".join(f'<li><i class="c{line.style}"></i>{escape(line.name)}</li>' for line in lines)
    return f'<ul class="legend">{items}</ul>'


def _polyline(line: Line) -> str:
    across = np.linspace(LEFT, LEFT + SIDE, line.height.size)
    down = TOP + TALL * (1 - line.height)
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, down, strict=True))
    return f'<polyline class="c{line.style}" points="{points}"/>'


def _axes(limit: float) -> str:
    parts = []
    for step in range(6 if limit == 1 else 4):
        share = step / (5 if limit == 1 else 3)
        x = LEFT + SIDE * share
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + TALL}"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{TOP + TALL + 15}" text-anchor="middle">'
            f"{limit * share:.1f}</text>"
        )
    for step in range(6):
        y = TOP + TALL * (1 - step / 5)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + SIDE}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{step / 5:.1f}</text>'
        )
    guess = f"M{LEFT} {TOP + TALL}L{LEFT + SIDE} {TOP + TALL * (1 - limit):.1f}"
    return f'<g class="grid">{"".join(parts)}<path d="{guess}"/></g>'
