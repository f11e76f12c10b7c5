"""Stations made from numbers alone."""

from collections.abc import Iterable
from typing import Any

from faprompt.detection.station import Scored, Station

MODEL = "a" * 64


def scored(scores: Iterable[float], name: str = "image") -> tuple[Scored, ...]:
    """Images with these scores; peaks are half of them."""
    return tuple(
        Scored(sha256=f"{name}-{i}", image_score=float(s), peak=float(s) / 2)
        for i, s in enumerate(scores)
    )


def station(scores: Iterable[float] | None = None, **changes: Any) -> Station:
    """By default from the scores 0, 1, ..., 98: NG above 98, UNSURE above 89."""
    values: dict[str, Any] = {
        "product": "nut",
        "model_sha256": MODEL,
        "backbone": "tiny",
        "precision": "fp32",
        "input_size": 64,
        "false_alarms": 0.01,
        "review_rate": 0.1,
        "normal": scored(range(99) if scores is None else scores),
        "created": "2026-01-02T03:04:05+00:00",
    }
    return Station(**values | changes)
