"""Figures of one class of a data set, and of each kind of defect in it.

A kind of defect is measured as if the class had no other: its images, and all normal ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import compress
from typing import Any

import numpy as np

from faprompt.errors import MetricError
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
    """Figures of one class, or of one kind of defect in it."""

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
    defect_pixels: int
    """Under the known masks, at input size."""
    scores: list[tuple[str, int, float]] = field(repr=False)
    """Image path, label and score."""
    types: tuple["ClassResult", ...] = ()
    """Of each ``anomaly_type``, where that was asked for; see :func:`by_type`."""

    def to_dict(self) -> dict[str, Any]:
        """As plain values, without the scores."""
        types = {one.name: one.to_dict() for one in self.types}
        return self.values | {
            "undefined": self.undefined,
            "error_limits": self.error_limits,
            "normal": self.normal,
            "anomalous": self.anomalous,
            "unknown_masks": self.unknown_masks,
            "defect_pixels": self.defect_pixels,
            **({"types": types} if types else {}),
        }


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
        defect_pixels=pixels.defect_pixels,
        scores=list(image_scores),
    )


def by_type(
    result: ClassResult,
    types: Sequence[str],
    maps: Iterable[MapAndMask],
    known: Sequence[int],
    *,
    fpr_limit: float = FPR_LIMIT,
) -> ClassResult:
    """The same figures with those of each kind of defect beside them.

    Args:
        result: Of a class.
        types: ``anomaly_type`` of each image, in the order of its scores.
        maps: As ``class_result`` takes them.
        known: To which image each of the maps belongs.
        fpr_limit: See ``PixelMetrics``.
    """
    labels = [label for _, label, _ in result.scores]
    names = sorted({name for name, label in zip(types, labels, strict=True) if label})
    if len(names) == 1:
        return replace(result, types=(replace(result, name=names[0]),))
    found = []
    for wanted in names:
        kept = [label == 0 or name == wanted for name, label in zip(types, labels, strict=True)]
        mapped = [kept[number] for number in known]
        one = class_result(
            wanted,
            list(compress(result.scores, kept)),
            _Chosen(maps, mapped),
            unknown_masks=sum(kept) - sum(mapped),
            fpr_limit=fpr_limit,
        )
        found.append(one)
    return replace(result, types=tuple(found))


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Some of the maps, in their order."""

    maps: Iterable[MapAndMask]
    wanted: Sequence[bool]

    def __iter__(self) -> Iterator[MapAndMask]:
        return compress(self.maps, self.wanted)


def _pixel_reasons(pixels: PixelResult, unknown_masks: int) -> dict[str, str]:
    if unknown_masks and not pixels.regions:
        reason = f"no anomalous image has a known mask ({unknown_masks} unknown)"
        return dict.fromkeys(pixels.undefined, reason)
    return pixels.undefined
