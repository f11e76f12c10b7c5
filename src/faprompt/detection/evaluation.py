"""How well a detector does on a labelled data set: per class, then the plain mean."""

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from faprompt.data.samples import Dataset, Sample
from faprompt.detection.labelled import Evaluated, ScoredSample
from faprompt.detection.spool import MapSpool
from faprompt.detection.tiled_samples import scored_samples
from faprompt.detection.tiling import Tiling
from faprompt.errors import DataError, MetricError
from faprompt.metrics.pixel import FPR_LIMIT, MapAndMask, PixelResult, pixel_metrics
from faprompt.metrics.ranking import auroc, average_precision, f1_max

IMAGE_METRICS: dict[str, Callable[..., float]] = {
    "image_auroc": auroc,
    "image_ap": average_precision,
    "image_f1max": f1_max,
}
PIXEL_METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1max", "pixel_aupro")
METRICS = (*IMAGE_METRICS, *PIXEL_METRICS)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassResult:
    """Figures of one class."""

    name: str
    values: dict[str, float | None]
    """Metric to fraction, None where undefined."""
    undefined: dict[str, str]
    """Metric to the reason."""
    error_limits: dict[str, float]
    """Pixel metric to a limit of its absolute error from binning."""
    normal: int
    anomalous: int
    unknown_masks: int
    """Images left out of the pixel metrics because their mask is unknown."""
    scores: list[tuple[str, int, float]] = field(repr=False)
    """Image path, label and score."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluation:
    """Figures of one data set."""

    classes: list[ClassResult]
    unreadable: dict[str, str]
    """Image or mask path to the reason."""
    unlabelled: int
    seconds: float
    images: int

    def mean(self) -> tuple[dict[str, float | None], dict[str, str]]:
        """Plain mean over the classes in which a metric is defined, and reasons where in none."""
        values: dict[str, float | None] = {}
        undefined: dict[str, str] = {}
        for name in METRICS:
            defined = [v for c in self.classes if (v := c.values[name]) is not None]
            values[name] = math.fsum(defined) / len(defined) if defined else None
            if not defined:
                reasons = sorted({c.undefined[name] for c in self.classes})
                undefined[name] = "; ".join(reasons)
        return values, undefined

    def to_dict(self) -> dict[str, Any]:
        """As plain values: ``classes``, ``mean``, counts and timing."""
        mean, undefined = self.mean()
        return {
            "classes": {c.name: _class_dict(c) for c in self.classes},
            "mean": mean | {"undefined": undefined},
            "counts": {
                "classes": len(self.classes),
                "images": self.images,
                "normal": sum(c.normal for c in self.classes),
                "anomalous": sum(c.anomalous for c in self.classes),
                "unknown_masks": sum(c.unknown_masks for c in self.classes),
                "unlabelled": self.unlabelled,
                "unreadable": len(self.unreadable),
            },
            "unreadable": self.unreadable,
            "timing": {
                "seconds": self.seconds,
                "milliseconds_per_image": 1000 * self.seconds / max(1, self.images),
            },
        }


def _class_dict(result: ClassResult) -> dict[str, Any]:
    return result.values | {
        "undefined": result.undefined,
        "error_limits": result.error_limits,
        "normal": result.normal,
        "anomalous": result.anomalous,
        "unknown_masks": result.unknown_masks,
    }


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate."""

    fpr_limit: float = FPR_LIMIT
    batch_size: int | None = None
    workers: int = 2
    tiling: Tiling | None = None
    """Look by windows; pixel metrics then are of the merged map, brought to input size."""


def evaluate(
    detector: Evaluated | Mapping[str, Evaluated],
    dataset: Dataset,
    settings: Settings | None = None,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> Evaluation:
    """Score a labelled data set; pixel metrics at input size, as published (METHOD section 7).

    Args:
        detector: What to evaluate; or one per class, by its name.
        dataset: Its unlabelled samples are counted and left out.
        settings: Batch size, threads, limit of the AUPRO.
        progress: Called with the number of images done since the last call.

    Raises:
        DataError: no labelled image can be read.
    """
    settings = settings or Settings()
    started = time.perf_counter()
    unreadable: dict[str, str] = {}
    results = []
    for name in dataset.classes:
        samples = [s for s in dataset.of_class(name) if s.label is not None]
        if not samples:
            continue
        with MapSpool() as spool:
            chosen = detector[name] if isinstance(detector, Mapping) else detector
            run = _Run(chosen, settings, spool, unreadable)
            run.score(samples, progress)
            if run.scores:
                results.append(
                    class_result(
                        name,
                        run.scores,
                        spool,
                        unknown_masks=run.unknown_masks,
                        fpr_limit=settings.fpr_limit,
                    )
                )
    if not results:
        raise DataError(
            f"{dataset.root}: no readable labelled images to evaluate; images in a plain folder "
            "have no labels: use `faprompt predict`, or folders `normal` and `anomalous`"
        )
    return Evaluation(
        classes=results,
        unreadable=unreadable,
        unlabelled=dataset.counts().unlabelled,
        seconds=time.perf_counter() - started,
        images=sum(len(r.scores) for r in results),
    )


class _Run:
    """Scores one class; maps of known masks go to the spool."""

    def __init__(
        self,
        detector: Evaluated,
        settings: Settings,
        spool: MapSpool,
        unreadable: dict[str, str],
    ) -> None:
        self.detector, self.settings, self.spool = detector, settings, spool
        self.unreadable = unreadable
        self.scores: list[tuple[str, int, float]] = []
        self.unknown_masks = 0

    def score(self, samples: Sequence[Sample], progress: Callable[[int], None]) -> None:
        asked = self.settings
        for scored in scored_samples(
            self.detector,
            samples,
            batch_size=asked.batch_size,
            workers=asked.workers,
            tiling=asked.tiling,
        ):
            self._keep(scored)
            progress(1)

    def _keep(self, scored: ScoredSample) -> None:
        path = str(scored.sample.image_path)
        if scored.image_score is None or scored.anomaly_map is None:
            self.unreadable[path] = str(scored.error)
            return
        self.scores.append((path, int(scored.sample.label or 0), scored.image_score))
        if scored.gt_mask is None:
            self.unknown_masks += 1
        else:
            self.spool.append(scored.anomaly_map, scored.gt_mask)


def class_result(
    name: str,
    image_scores: Sequence[tuple[str, int, float]],
    spool: Iterable[MapAndMask],
    *,
    unknown_masks: int = 0,
    fpr_limit: float = FPR_LIMIT,
) -> ClassResult:
    """All figures of one class, undefined ones with the reason.

    Args:
        name: Of the class.
        image_scores: Image path, label and score.
        spool: Maps and masks of the images whose mask is known; read several times.
        unknown_masks: How many images have none.
        fpr_limit: See ``PixelMetrics``.
    """
    labels = np.array([label for _, label, _ in image_scores])
    scores = np.array([score for _, _, score in image_scores])
    values: dict[str, float | None] = {}
    undefined: dict[str, str] = {}
    for metric, function in IMAGE_METRICS.items():
        try:
            values[metric] = function(scores, labels)
        except MetricError as error:
            values[metric], undefined[metric] = None, str(error)
    pixels = pixel_metrics(lambda: iter(spool), fpr_limit=fpr_limit)
    values |= {metric: getattr(pixels, metric) for metric in PIXEL_METRICS}
    undefined |= _pixel_reasons(pixels, unknown_masks)
    return ClassResult(
        name=name,
        values=values,
        undefined=undefined,
        error_limits=pixels.error_limits,
        normal=int((labels == 0).sum()),
        anomalous=int((labels == 1).sum()),
        unknown_masks=unknown_masks,
        scores=list(image_scores),
    )


def _pixel_reasons(pixels: PixelResult, unknown_masks: int) -> dict[str, str]:
    if unknown_masks and not pixels.regions:
        reason = f"no anomalous image has a known mask ({unknown_masks} unknown)"
        return dict.fromkeys(pixels.undefined, reason)
    return pixels.undefined
