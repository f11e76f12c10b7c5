"""``Station``: what must be known of one product to say OK, UNSURE or NG. Free of torch.

It keeps the raw scores it was made from and derives its thresholds from them, so that a file whose
thresholds do not follow from its scores is told from one that was written by this project.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from faprompt.detection.calibration import MissRate, calibrate, miss_rate
from faprompt.detection.decision import Decision, Scored, decide
from faprompt.errors import FAPromptError, StationError
from faprompt.files import parse_json, write_text

__all__ = ["Decision", "Scored", "Station", "Step", "now"]

FORMAT = "faprompt-station"
FORMAT_VERSION = 1
THRESHOLDS = ("threshold", "review_threshold", "pixel_threshold")
GROUPS = ("normal", "anomalous", "reviewed_normal", "reviewed_anomalous")
REMEDY = "calibrate again with `faprompt calibrate`"


def now() -> str:
    """Date and time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A recalibration."""

    station_sha256: str
    """Of the station that was recalibrated."""
    labels_sha256: str
    """Of the labels that it was recalibrated with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Station:
    """Thresholds of one product, and everything they were made from.

    Raises:
        DataError: too few normal images for the rates.
        ConfigError: a rate or the confidence is out of range.

    Example:
        >>> normal = tuple(Scored(sha256=str(i), image_score=i / 99, peak=0) for i in range(99))
        >>> station = Station(
        ...     product="nut", model_sha256="", backbone="tiny", precision="fp32",
        ...     input_size=256, false_alarms=0.01, review_rate=0.1, normal=normal,
        ... )
        >>> [station.decide(score).verdict for score in (0.5, 0.95, 1.0)]
        ['OK', 'UNSURE', 'NG']
    """

    product: str
    model_sha256: str
    """Of the prompts' file; an exported model records the same one."""
    backbone: str
    precision: str
    """``fp32``, ``bf16``, ``fp16`` or ``int8``."""
    input_size: int
    """Side of the model's square input in pixels."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else changes scores (tiles, areas), as plain values."""
    created: str = field(default_factory=now)
    """ISO date and time, UTC."""
    false_alarms: float
    """Share of normal images that may be called NG."""
    review_rate: float
    """Share of normal images that may be NG or UNSURE; see ``default_review_rate``."""
    confidence: float | None = None
    """None: the shares hold on average over calibrations; else with it for this very station."""
    normal: tuple[Scored, ...] = field(repr=False)
    """Images that stand for all normal ones to come: the promise rests on them alone."""
    anomalous: tuple[Scored, ...] = field(default=(), repr=False)
    """Images that stand for the anomalous ones to come; for the miss rate."""
    reviewed_normal: tuple[Scored, ...] = field(default=(), repr=False)
    """Labelled because they were uncertain: they may raise thresholds, never lower them."""
    reviewed_anomalous: tuple[Scored, ...] = field(default=(), repr=False)
    """Labelled because they were uncertain: kept, but no measure of the miss rate."""
    history: tuple[Step, ...] = ()
    """How it was recalibrated, the first time first; empty for a station made from images."""
    threshold: float = field(init=False)
    """NG at or above."""
    review_threshold: float = field(init=False)
    """UNSURE from here up to ``threshold``."""
    pixel_threshold: float = field(init=False)
    """Pixels of an anomaly map are abnormal at or above."""

    def __post_init__(self) -> None:
        # Frozen, and derived: a station cannot have thresholds that its scores do not give.
        found = self._calibrated(self.normal)
        if self.reviewed_normal:
            # Uncertain cases score higher than normal images at large: counted among these they
            # could lower a threshold and break the promise. The larger threshold keeps it.
            more = self._calibrated(self.normal + self.reviewed_normal)
            found = {name: max(value, more[name]) for name, value in found.items()}
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _calibrated(self, normal: tuple[Scored, ...]) -> dict[str, float]:
        thresholds = calibrate(
            [image.image_score for image in normal],
            [image.peak for image in normal],
            false_alarms=self.false_alarms,
            review_rate=self.review_rate,
            confidence=self.confidence,
        )
        return asdict(thresholds)

    @property
    def normal_scores(self) -> tuple[float, ...]:
        """Raw image scores of the normal images."""
        return tuple(image.image_score for image in self.normal)

    @property
    def normal_hashes(self) -> tuple[str, ...]:
        """SHA-256 of the normal images."""
        return tuple(image.sha256 for image in self.normal)

    @property
    def sha256(self) -> str:
        """Name of this very station: of the text that :meth:`write` writes."""
        return hashlib.sha256(self._text().encode()).hexdigest()

    @property
    def lineage(self) -> frozenset[str]:
        """This station and those it was recalibrated from: all judge scores of one kind."""
        return frozenset({self.sha256, *(step.station_sha256 for step in self.history)})

    def decide(self, image_score: float) -> Decision:
        """OK, UNSURE or NG, with the distance to the nearest other verdict."""
        return decide(image_score, self.review_threshold, self.threshold)

    def miss_rates(self) -> dict[str, MissRate]:
        """Of anomalous images: how many are not NG (``not_ng``), how many are OK (``ok``).

        Empty if there were none to measure with.
        """
        scores = [image.image_score for image in self.anomalous]
        found = {
            "not_ng": miss_rate(scores, self.threshold),
            "ok": miss_rate(scores, self.review_threshold),
        }
        return {name: rate for name, rate in found.items() if rate is not None}

    def to_dict(self) -> dict[str, Any]:
        """As plain values, in the order of the fields."""
        rates = {name: asdict(rate) for name, rate in self.miss_rates().items()}
        head = {"format": FORMAT, "format_version": FORMAT_VERSION}
        return head | asdict(self) | {"settings": dict(self.settings), "miss_rates": rates}

    def write(self, path: str | Path) -> None:
        """Write the station as JSON, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_text(Path(path), self._text())

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read a station; everything in the file must follow from its scores and settings.

        Raises:
            StationError: missing, damaged, edited, of another format or of a later release.
        """
        if (folder := Path(path)).is_dir():
            inside = ", ".join(sorted(p.name for p in folder.glob("*.json"))[:5]) or "none"
            raise StationError(
                f"{path}: a folder; needed is the file of one product. Files in it: {inside}"
            )
        try:
            return cls.from_text(Path(path).read_text(encoding="utf-8"), where=str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise StationError(
                f"{path}: cannot be read ({error}); needed is a station written by "
                "`faprompt calibrate`"
            ) from None

    @classmethod
    def from_text(cls, text: str, *, where: str) -> Self:
        """As :meth:`read`, from the file's content.

        Args:
            text: JSON.
            where: Named in errors.
        """
        try:
            values = parse_json(text)
            if values["format"] != FORMAT:
                raise KeyError("format")
            if (version := values["format_version"]) != FORMAT_VERSION:
                raise StationError(
                    f"{where}: format version {version}, this release reads {FORMAT_VERSION}: "
                    "update faprompt, or calibrate again"
                )
            station = cls(**_arguments(values))
            if json.loads(station._text()) != values:
                raise ValueError("what it says does not follow from its scores")
        except StationError:
            raise
        except (FAPromptError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise StationError(
                f"{where}: damaged, edited or not a station ({error}); {REMEDY}"
            ) from None
        return station

    def _text(self) -> str:
        return json.dumps(self.to_dict(), indent=1, allow_nan=False) + "\n"


def _arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """What a station is made from, without what follows from that; checks types.

    Raises:
        ValueError, TypeError, KeyError: a value is missing or of another kind.
    """
    derived = {"format", "format_version", "miss_rates", *THRESHOLDS}
    found = {name: value for name, value in values.items() if name not in derived}
    for name in ("product", "model_sha256", "backbone", "precision", "created"):
        if not isinstance(found[name], str):
            raise ValueError(f"{name} is {found[name]!r}")
    datetime.fromisoformat(found["created"])
    if not isinstance(found["input_size"], int) or not isinstance(found["settings"], dict):
        raise ValueError(f"input_size is {found['input_size']!r}")
    for name in GROUPS:
        found[name] = tuple(Scored(**image) for image in found[name])
    found["history"] = tuple(Step(**step) for step in found["history"])
    if not all(isinstance(value, str) for step in found["history"] for value in astuple(step)):
        raise ValueError("history is not of checksums")
    return found
