"""Which examples are held out, and what they say of an epoch. Source data alone.

Rule of ``--select heldout``: the epoch with the largest mean of image and pixel AUROC (those that
are defined) on the held-out part; the earlier one of equals. There is no refit on all data.
"""

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faprompt.errors import DataError, MetricError, TrainingError
from faprompt.metrics.pixel import pixel_metrics
from faprompt.metrics.ranking import auroc
from faprompt.training.examples import Batch, Example, ExampleReader, to_device
from faprompt.training.networks import Network

RULE = "largest mean of held-out image AUROC and pixel AUROC; the earlier of equals; no refit"
ADVICE = "the last finished epoch is kept. Try --precision fp32 or a lower --learning-rate"
"""For numbers that are not finite."""
PIXELS_PER_MAP = 1024  # sampled for the colour limits
CALM_QUANTILE = 0.97  # of normal pixels: colour starts above it
FULL_QUANTILE = 0.9  # of defect pixels: colour is full there
LEAST_SPAN = 0.05


@dataclass(frozen=True, slots=True)
class Split:
    """Examples to learn from, and examples to choose with."""

    train: list[Example]
    heldout: list[Example]
    by: str
    """What was held out, in words."""


def split_examples(examples: Sequence[Example], *, fraction: float, seed: int) -> Split:
    """Hold out whole classes where there are several, else images of every type.

    Raises:
        DataError: either part would lack normal or anomalous images.
    """
    groups = sorted({e.group for e in examples})
    rng = random.Random(seed)
    if len(groups) > 1:
        count = min(len(groups) - 1, max(1, round(fraction * len(groups))))
        held = set(rng.sample(groups, count))
        chosen = {e.image_hash for e in examples if e.group in held}
        by = f"classes {', '.join(sorted(name.split('/', 1)[1] for name in held))}"
    else:
        chosen = _stratified(examples, fraction, rng)
        by = f"{fraction:.0%} of the images of every type"
    # By content, so that a duplicate of a held-out image does not stay in the training part.
    train = [e for e in examples if e.image_hash not in chosen]
    heldout = [e for e in examples if e.image_hash in chosen]
    for part, name in ((train, "training"), (heldout, "held-out")):
        if {e.sample.label for e in part} != {0, 1}:
            raise DataError(
                f"the {name} part would lack normal or anomalous images (held out: {by}); use more "
                "data, another --heldout-fraction or --seed, or --select fixed:N"
            )
    return Split(train, heldout, by)


def _stratified(examples: Sequence[Example], fraction: float, rng: random.Random) -> set[str]:
    """Contents of a share of every type; of either label one at least."""
    strata: dict[int, dict[str, set[str]]] = {0: defaultdict(set), 1: defaultdict(set)}
    for e in examples:
        if e.sample.label is not None:
            strata[e.sample.label][e.sample.anomaly_type].add(e.image_hash)
    chosen: set[str] = set()
    for types in strata.values():
        drawn = [
            image_hash
            for _, hashes in sorted(types.items())
            for image_hash in rng.sample(sorted(hashes), round(fraction * len(hashes)))
        ]
        everything = sorted(set().union(*types.values()))
        chosen.update(drawn or rng.sample(everything, min(1, len(everything))))
    return chosen


def choose(history: Sequence[dict[str, Any]]) -> int:
    """The epoch that the held-out part prefers; the earlier one of equals.

    Example:
        >>> choose([{"epoch": e, "heldout": {"criterion": c}} for e, c in [(1, .7), (2, .7)]])
        1
    """
    best = max(history, key=lambda record: (record["heldout"]["criterion"], -record["epoch"]))
    return int(best["epoch"])


@dataclass(frozen=True, slots=True)
class Judgement:
    """What some examples say of a network."""

    metrics: dict[str, Any]
    """Fractions, None where undefined: image_auroc, pixel_auroc, pixel_aupro, criterion."""
    colour_limits: tuple[float, float]


@torch.inference_mode()
def judge(
    network: Network, reader: ExampleReader, examples: Sequence[Example], *, workers: int
) -> Judgement:
    """Score examples and compare with their labels and masks.

    Raises:
        TrainingError: a score is not finite.
    """
    scored = _Scored(network, reader, examples, workers)
    pixels = pixel_metrics(scored.maps)
    try:
        image_auroc: float | None = auroc(np.array(scored.scores), np.array(scored.labels))
    except MetricError:
        image_auroc = None
    defined = [v for v in (image_auroc, pixels.pixel_auroc) if v is not None]
    metrics = {
        "image_auroc": image_auroc,
        "pixel_auroc": pixels.pixel_auroc,
        "pixel_aupro": pixels.pixel_aupro,
        "criterion": math.fsum(defined) / len(defined) if defined else None,
        "images": len(examples),
    }
    return Judgement(metrics, colour_limits(scored.normal, scored.defect))


def colour_limits(
    normal: Iterable[NDArray[np.float32]], defect: Iterable[NDArray[np.float32]]
) -> tuple[float, float]:
    """Anomaly values where colour starts (normal pixels stay calm) and where it is full.

    Args:
        normal: Anomaly values of pixels of normal images.
        defect: Anomaly values of defect pixels.
    """
    calm = np.concatenate([np.zeros(0, np.float32), *normal])
    loud = np.concatenate([np.zeros(0, np.float32), *defect])
    low = float(np.quantile(calm, CALM_QUANTILE)) if calm.size else 0.5
    high = float(np.quantile(loud, FULL_QUANTILE)) if loud.size else 1.0
    low = min(low, 1 - LEAST_SPAN)
    return low, min(1.0, max(high, low + LEAST_SPAN))


class _Scored:
    """Scores examples once per pass over :meth:`maps`; keeps scores and a sample of pixels."""

    def __init__(
        self, network: Network, reader: ExampleReader, examples: Sequence[Example], workers: int
    ) -> None:
        self.network, self.reader, self.examples = network, reader, examples
        self.workers = workers
        self.scores: list[float] = []
        self.labels: list[int] = []
        self.normal: list[NDArray[np.float32]] = []
        self.defect: list[NDArray[np.float32]] = []

    def maps(self) -> Iterable[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Anomaly map and mask of every example whose mask is known."""
        first_pass = not self.scores
        text = self.network.static_text()
        tower = self.reader.tower
        device, size = tower.backbone.clip.logit_scale.device, tower.input_size
        for batch in self.reader.batches(self.examples, size=8, workers=self.workers):
            moved = to_device(batch, device)
            scores = self.network(moved.features.image, moved.features.patches, text=text)
            maps = scores.anomaly_map(size, blur_sigma=self.network.config.blur_sigma)
            if not bool(scores.image_score.isfinite().all() and maps.isfinite().all()):
                raise TrainingError(f"scores of held-out images are not finite; {ADVICE}")
            arrays = maps.cpu().numpy()
            if first_pass:
                self.scores.extend(scores.image_score.tolist())
                self.labels.extend(batch.targets.labels.tolist())
                self._sample_pixels(arrays, batch)
            masks = batch.targets.masks.bool().numpy()
            known = batch.targets.known.tolist()
            yield from (
                pair for pair, ok in zip(zip(arrays, masks, strict=True), known, strict=True) if ok
            )

    def _sample_pixels(self, maps: NDArray[np.float32], batch: Batch) -> None:
        stride = max(1, maps[0].size // PIXELS_PER_MAP)
        for array, mask, label in zip(
            maps, batch.targets.masks.bool().numpy(), batch.targets.labels.tolist(), strict=True
        ):
            if label == 0:
                self.normal.append(array.ravel()[::stride])
            elif mask.any():
                inside = array[mask]
                self.defect.append(inside[:: max(1, inside.size // PIXELS_PER_MAP)])
