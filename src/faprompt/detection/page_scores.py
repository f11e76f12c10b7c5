"""Strips of marks that show where the scores of good and of anomalous images lie."""

from collections.abc import Mapping, Sequence
from html import escape

from faprompt.detection.score_axis import ScoreAxis, score_text, tick_text

LANES = ((False, "good"), (True, "with defect"))
NOTE = (
    "Each mark is an image. The axis, like the bars beside scores, is even in log-odds: 0.99 to "
    "0.999 has as much room as 0.9 to 0.99."
)


def strips(rows: Sequence[tuple[bool, Mapping[str, float]]], axis: ScoreAxis) -> str:
    """A panel with a strip per model as HTML; empty without rows.

    Args:
        rows: Of each image whether it is anomalous, and its scores by model, the same models in
            every row.
        axis: Holds all the scores.
    """
    if not rows:
        return ""
    shown = "".join(_strip(name, rows, axis) for name in rows[0][1])
    return (
        f'<div class="panel"><p class="label">Image scores</p>{shown}'
        f'<p class="note">{NOTE}</p></div>'
    )


def _strip(name: str, rows: Sequence[tuple[bool, Mapping[str, float]]], axis: ScoreAxis) -> str:
    lanes = []
    for anomalous, word in LANES:
        scores = [found[name] for kind, found in rows if kind == anomalous]
        figures = ", ".join(score_text(score) for score in sorted(scores)) or "none"
        kind = ' class="bad"' if anomalous else ""
        dots = "".join(f"<i{kind} style={_left(axis, score)}></i>" for score in scores)
        label = escape(f"{name}, {word}: scores {figures}")
        lanes.append(
            f'<span>{word}</span><div class="lane" role="img" aria-label="{label}">{dots}</div>'
        )
    ticks = "".join(
        f"<span style={_left(axis, tick)}>{tick_text(tick)}</span>" for tick in axis.ticks()
    )
    return (
        f'<div class="strip"><span class="name">{escape(name)}</span>{"".join(lanes)}'
        f'<div class="ticks" aria-hidden="true">{ticks}</div></div>'
    )


def _left(axis: ScoreAxis, score: float) -> str:
    return f'"left:{100 * axis.place(score):.1f}%"'
