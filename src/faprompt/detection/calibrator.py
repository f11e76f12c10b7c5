"""A station from images: score them, leave out what cannot be used, and calibrate."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from faprompt.data.hashing import content_hash
from faprompt.detection.calibration import calibrate, default_review_rate
from faprompt.detection.map_files import peaks
from faprompt.detection.prediction import OnError, Prediction
from faprompt.detection.station import Scored, Station
from faprompt.errors import DataError


class Scorer(Protocol):
    """What can be calibrated: a detector, or the runtime of an exported model."""

    @property
    def identity(self) -> dict[str, Any]:
        """``model_sha256``, ``backbone``, ``precision`` and ``input_size``."""

    @property
    def predict(self) -> Callable[..., Iterator[Prediction]]:
        """An iterable of paths to predictions; takes ``on_error`` and other options."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What a station is asked for; see :class:`faprompt.detection.station.Station`."""

    product: str
    false_alarms: float
    review_rate: float | None = None
    """None: see ``default_review_rate``."""
    confidence: float | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    references: tuple[Path, ...] = ()
    """What the model compares images with: compared with itself one scores lower than others."""

    def require_images(self, number: int) -> None:
        """Refuse what so many normal images can never give, before any is scored.

        Raises:
            DataError: too few; the text names the number needed.
            ConfigError: a rate or the confidence is out of range.
        """
        blank = [0.0] * number
        calibrate(
            blank,
            blank,
            false_alarms=self.false_alarms,
            review_rate=self.review_rate,
            confidence=self.confidence,
        )


def make_station(
    model: Scorer,
    asked: Asked,
    normal: Iterable[Path],
    anomalous: Iterable[Path] = (),
    *,
    on_error: OnError,
    on_scored: Callable[[], object] = lambda: None,
    **options: Any,
) -> Station:
    """Calibrate a model on images of one product.

    Args:
        model: Makes the scores.
        asked: Product and promise.
        normal: Image files that stand for the normal images to come.
        anomalous: Image files that stand for the anomalous ones; for the miss rate.
        on_error: Called with every image that is left out, and the reason: unreadable, given
            twice (it would count twice), given as normal and as anomalous, or a reference.
        on_scored: Called after every image.
        options: Of ``predict``: batch size, threads, ...

    Raises:
        DataError: too few normal images can be used; the text names the number needed.
        ConfigError: a rate or the confidence is out of range.
    """
    kinds = {"normal": unique(normal, on_error), "anomalous": unique(anomalous, on_error)}
    for sha256 in kinds["normal"].keys() & kinds["anomalous"].keys():
        path = kinds["normal"].pop(sha256)
        other = kinds["anomalous"].pop(sha256)
        on_error(path, DataError(f"{path}: given as normal and, as {other}, as anomalous"))
    for sha256 in map(content_hash, asked.references):
        for images in kinds.values():
            if sha256 in images:
                path = images.pop(sha256)
                on_error(path, DataError(f"{path}: a reference, which is compared with itself"))
    scores: dict[str, list[Scored]] = {kind: [] for kind in kinds}
    for kind, images in kinds.items():
        for scored in score(model, images, on_error=on_error, **options):
            scores[kind].append(scored)
            on_scored()
    reviewed = asked.review_rate
    return Station(
        product=asked.product,
        settings=asked.settings,
        false_alarms=asked.false_alarms,
        review_rate=default_review_rate(asked.false_alarms) if reviewed is None else reviewed,
        confidence=asked.confidence,
        normal=tuple(scores["normal"]),
        anomalous=tuple(scores["anomalous"]),
        **model.identity,
    )


def unique(paths: Iterable[Path], on_error: OnError) -> dict[str, Path]:
    """SHA-256 to file; a file whose content was there before is left out."""
    found: dict[str, Path] = {}
    for path in paths:
        try:
            sha256 = content_hash(path)
        except DataError as error:
            on_error(path, error)
            continue
        if sha256 in found:
            on_error(path, DataError(f"{path}: same content as {found[sha256]}; counted once"))
        else:
            found[sha256] = path
    return found


def score(
    model: Scorer, images: Mapping[str, Path], *, on_error: OnError, **options: Any
) -> Iterator[Scored]:
    """Score images given by their SHA-256; unusable ones go to ``on_error``."""
    names = {str(path): sha256 for sha256, path in images.items()}
    for prediction in model.predict(images.values(), on_error=on_error, **options):
        assert prediction.path is not None  # they are files
        yield Scored(
            sha256=names[prediction.path],
            image_score=prediction.image_score,
            peak=float(peaks(prediction.anomaly_map, (1, 1)).max()),
        )
