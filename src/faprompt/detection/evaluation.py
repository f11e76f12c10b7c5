"""How well a detector does on a labelled data set: per class, then the plain mean."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faprompt.data.samples import Dataset, Sample
from faprompt.detection.figures import METRICS, ClassResult, by_type, class_result
from faprompt.detection.labelled import Evaluated, ScoredSample
from faprompt.detection.spool import MapSpool
from faprompt.detection.tiled_samples import scored_samples
from faprompt.detection.tiling import Tiling
from faprompt.errors import DataError
from faprompt.metrics.pixel import FPR_LIMIT


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
            "classes": {c.name: c.to_dict() for c in self.classes},
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


@dataclass(frozen=True, slots=True)
class Settings:
    """How to evaluate."""

    fpr_limit: float = FPR_LIMIT
    batch_size: int | None = None
    workers: int = 2
    tiling: Tiling | None = None
    """Look by windows; pixel metrics then are of the merged map, brought to input size."""
    by_type: bool = False
    """Also measure each kind of defect as if there were no other."""


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
                results.append(run.result(name))
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
        self.types: list[str] = []
        self.known: list[int] = []
        """To which of the scores each map of the spool belongs."""

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
        if scored.gt_mask is not None:
            self.known.append(len(self.scores))
            self.spool.append(scored.anomaly_map, scored.gt_mask)
        self.scores.append((path, int(scored.sample.label or 0), scored.image_score))
        self.types.append(scored.sample.anomaly_type)

    def result(self, name: str) -> ClassResult:
        limit = self.settings.fpr_limit
        unknown = len(self.scores) - len(self.known)
        found = class_result(name, self.scores, self.spool, unknown_masks=unknown, fpr_limit=limit)
        if not self.settings.by_type:
            return found
        return by_type(found, self.types, self.spool, self.known, fpr_limit=limit)
