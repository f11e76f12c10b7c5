"""Watches for tests: time that passes by steps, a model that anybody can compute in their head."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from bright import BrightModel
from PIL import Image
from stations import MODEL, station

from faprompt.detection.arrivals import Ending
from faprompt.detection.look import Look
from faprompt.detection.prediction import Reading, predict
from faprompt.detection.station import Station

POLL = 0.1
"""Not longer than one sleep, so that every look is followed by one step."""


class Steps:
    """A sleep in which one thing after another happens; after the last the end is asked for."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self.steps = list(steps)
        self.slept: list[float] = []
        self.ending = Ending(self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if self.steps:
            self.steps.pop(0)()
        else:
            self.ending.asked = True


def nothing() -> None:
    """A step."""


class Watched:
    """``BrightModel`` as a detector: the score of an even picture is its grey value / 255."""

    def __init__(self, judge: Station | None = None) -> None:
        self.station = judge
        self.identity = {"model_sha256": MODEL}
        self.asked: list[Any] = []
        """What came, stream by stream."""

    def score_settings(self, look: Look | None) -> dict[str, Any]:
        return look.settings() if look else {}

    def predict(
        self, source: Any, *, batch_size: int | None = None, on_error: Any = None, **_: Any
    ) -> Any:
        self.asked.append(source)
        reading = Reading(batch_size=batch_size, workers=0, max_pixels=10**6, on_error=on_error)
        decide = self.station.decide if self.station else None
        return predict(source, replace(BrightModel().engine(), decide=decide), reading)


def tenths() -> Station:
    """NG above 0.8, UNSURE above 0.5."""
    scores = [0.1] * 89 + [0.5] + [0.8] * 9
    return station(scores)


def grey(path: Path, value: float, size: tuple[int, int] = (40, 30)) -> Path:
    """An even picture whose score is ``value``, to 1/255."""
    Image.new("L", size, round(value * 255)).save(path)
    return path


def render_video(path: Path, values: Iterable[int], size: tuple[int, int] = (64, 48)) -> Path:
    """A video of even grey pictures."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, size)
    for value in values:
        writer.write(np.full((size[1], size[0], 3), value, np.uint8))
    writer.release()
    return path
