"""Which images a person should look at, and what their labels change. Free of torch and of files.

Two kinds are picked. *Uncertain* images are those where a label helps most, but they are no fair
sample: they score higher than normal images at large. Counted among these they could lower a
threshold and break the promise; so they may only raise thresholds. Images picked at *random* are a
fair sample of what is produced now: they join the calibration.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from faprompt.detection.decision import Scored
from faprompt.detection.rows import Judged
from faprompt.detection.station import GROUPS, Station, Step, now

Label = Literal["ok", "ng"]
Reason = Literal["uncertain", "random"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """An image to look at, and why."""

    judged: Judged
    reason: Reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """What a person said of an image."""

    scored: Scored
    label: Label
    reason: Reason
    """``random`` only if the image was picked blindly, and all such picks were labelled."""


def pick(rows: Sequence[Judged], *, uncertain: int, random: int = 0, seed: int = 0) -> list[Pick]:
    """Choose images to look at: UNSURE first, nearest to a threshold first.

    Args:
        rows: Judged by a station.
        uncertain: How many at most.
        random: How many of all rows besides, drawn blindly; an image drawn is not uncertain.
        seed: Of the drawing.

    Returns:
        Uncertain ones in their order, then random ones in the order of the rows.
    """
    count = min(random, len(rows))
    drawn = set(np.random.default_rng(seed).choice(len(rows), count, replace=False).tolist())
    rest = [row for i, row in enumerate(rows) if i not in drawn]
    rest.sort(key=lambda row: (row.decision != "UNSURE", row.margin, row.path))
    picks = [Pick(judged=row, reason="uncertain") for row in rest[:uncertain]]
    return picks + [Pick(judged=rows[i], reason="random") for i in sorted(drawn)]


def recalibrate(station: Station, labelled: Iterable[Labelled], *, labels_sha256: str) -> Station:
    """The station that follows from new labels; no model is needed.

    A label of an image that the station knows replaces what was thought of it. One that was taken
    for anomalous and is normal counts as any other uncertain image: of those in its place the ones
    that score lower were never looked at.

    Args:
        station: Of the model that made the scores.
        labelled: New labels; of several for one image the last counts.
        labels_sha256: Of the file (or the text) that the labels come from.

    Raises:
        DataError: too few normal images are left for the rates.
    """
    images = {image.sha256: (name, image) for name in GROUPS for image in getattr(station, name)}
    for one in labelled:
        sha256 = one.scored.sha256
        before = images.pop(sha256, None)
        group = {"ok": "normal", "ng": "anomalous"}[one.label]
        fair = one.reason == "random" or (before is not None and before[0] in ("normal", group))
        image = one.scored if before is None else before[1]
        images[sha256] = (group if fair else f"reviewed_{group}", image)
    groups: dict[str, Any] = {
        name: tuple(image for group, image in images.values() if group == name) for name in GROUPS
    }
    step = Step(station_sha256=station.sha256, labels_sha256=labels_sha256)
    return replace(station, **groups, history=(*station.history, step), created=now())
