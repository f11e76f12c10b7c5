"""What is said of one image: OK, UNSURE or NG. Free of torch."""

from dataclasses import dataclass
from typing import Literal

from faprompt.config import short
from faprompt.errors import DataError

Verdict = Literal["OK", "UNSURE", "NG"]
VERDICTS: tuple[Verdict, ...] = ("OK", "UNSURE", "NG")


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict, and how far it is from another one."""

    verdict: Verdict
    margin: float
    """Distance of the score from the nearest threshold that would change the verdict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scored:
    """What a calibration needs to know of one image."""

    sha256: str
    """Of the image file."""
    image_score: float
    peak: float
    """Largest value of the anomaly map."""

    def __post_init__(self) -> None:
        if not isinstance(self.sha256, str):
            raise DataError(f"sha256 of an image is {short(self.sha256)}, not a text")
        for name in ("image_score", "peak"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise DataError(f"{name} of image {self.sha256} is {value!r}, not a number")


def decide(image_score: float, review_threshold: float, threshold: float) -> Decision:
    """Judge a score: NG at or above ``threshold``, below it UNSURE from ``review_threshold`` on.

    Example:
        >>> decide(0.5, 0.25, 1.0)
        Decision(verdict='UNSURE', margin=0.25)
    """
    if image_score >= threshold:
        return Decision("NG", image_score - threshold)
    if image_score >= review_threshold:
        return Decision("UNSURE", min(image_score - review_threshold, threshold - image_score))
    return Decision("OK", review_threshold - image_score)
