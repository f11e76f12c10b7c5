"""One target for all methods at once: every image is read and sent through the tower once.

Maps wait on disk, one unnamed file per method and seed, until their class is complete; memory
holds one batch. Shapes: B images, S input side in pixels.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faprompt.data.loading import in_groups, map_ordered
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.figures import class_result
from faprompt.detection.spool import MapSpool
from faprompt.errors import FAPromptError, MetricError
from faprompt.metrics.bootstrap import bin_maps
from faprompt.metrics.legacy import legacy_aupro
from faprompt.protocol.cells import ClassPart
from faprompt.protocol.scorer import Scorer, Seen
from faprompt.training.feature_cache import ImageTower

LEGACY = "pixel_aupro_legacy200"
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """How images are read and how many go through the tower at once."""

    tower: ImageTower
    root: Path
    """Of the data set: paths are kept below it."""
    batch_size: int = 4
    workers: int = 2
    progress: Callable[[int], None] = lambda _: None
    """So many more images are done."""


@dataclass(slots=True)
class _Ledger:
    """What one method says of a class."""

    scorer: Scorer
    spool: MapSpool
    scores: list[tuple[str, int, float]] = field(default_factory=list)
    seconds: float = 0.0


def score_class(
    samples: Sequence[Sample], scorers: Mapping[str, Scorer], reading: Reading
) -> dict[str, ClassPart | MetricError]:
    """Score the labelled samples of one class with every scorer.

    Args:
        samples: Of one class, all labelled.
        scorers: By the name of their cell.
        reading: See there.

    Returns:
        A part per name; without any readable image its figures are undefined. In the place of a
        part stands the error of a scorer whose values are not finite.
    """
    with _Pass(scorers, reading) as run:
        # anomalous images without a single mask: no pixel metrics, and maps need not be kept
        masks = any(s.mask_path is not None for s in samples)
        run.keep_maps = masks or not any(s.label for s in samples)
        run.score(samples)
        found: dict[str, ClassPart | MetricError] = {}
        for name, ledger in run.all():
            try:
                found[name] = run.part(ledger, samples[0].class_name)
            except MetricError as error:
                found[name] = error
        return found


class _Pass:
    """One pass over the images of a class."""

    def __init__(self, scorers: Mapping[str, Scorer], reading: Reading) -> None:
        self.reading = reading
        self.keep_maps = True
        self.known: list[int] = []
        self.unknown_masks = 0
        self.unreadable: dict[str, str] = {}
        self.tower_seconds = 0.0
        self._ledgers = {name: _Ledger(scorer, MapSpool()) for name, scorer in scorers.items()}
        self.blocks = blocks_of(reading.tower, scorers.values())

    def __enter__(self) -> "_Pass":
        return self

    def __exit__(self, *error: object) -> None:
        for _, ledger in self.all():
            ledger.spool.__exit__(None, None, None)

    def all(self) -> list[tuple[str, _Ledger]]:
        """Names and ledgers."""
        return list(self._ledgers.items())

    def score(self, samples: Sequence[Sample]) -> None:
        """Read and score all images; unreadable ones are noted and left out."""
        size, workers = self.reading.batch_size, self.reading.workers
        results = map_ordered(self._read, samples, workers=workers, ahead=max(1, workers, size))
        for group in in_groups(results, size):
            usable: list[tuple[Sample, Tensor, Mask | None]] = []
            for sample, result in group:
                if isinstance(result, FAPromptError):
                    self.unreadable[self._short(sample)] = str(result)
                else:
                    usable.append((sample, *result))
            if usable:
                self._batch(usable)
            self.reading.progress(len(group))

    def _read(self, sample: Sample) -> tuple[Tensor, Mask | None]:
        tower = self.reading.tower
        return tower.read(sample.image_path), read_mask(sample, tower.input_size)

    def _short(self, sample: Sample) -> str:
        return short_path(sample.image_path, self.reading.root)

    def _batch(self, batch: list[tuple[Sample, Tensor, Mask | None]]) -> None:
        started = time.perf_counter()
        seen = see(self.reading.tower, [pixels for _, pixels, _ in batch], self.blocks)
        if seen.pixels.is_cuda:
            torch.cuda.synchronize(seen.pixels.device)  # else its time is counted to a method
        self.tower_seconds += time.perf_counter() - started
        for number, (_, _, mask) in enumerate(batch, start=self._images()):
            self.unknown_masks += mask is None
            if mask is not None and self.keep_maps:
                self.known.append(number)
        for _, ledger in self.all():
            started = time.perf_counter()
            scores, maps = ledger.scorer.score(seen)
            ledger.seconds += time.perf_counter() - started
            for (sample, _, mask), score, array in zip(
                batch, scores.tolist(), maps.numpy(), strict=True
            ):
                ledger.scores.append((self._short(sample), int(sample.label or 0), score))
                if mask is not None and self.keep_maps:
                    ledger.spool.append(array, mask)

    def _images(self) -> int:
        return len(next(iter(self._ledgers.values())).scores)

    def part(self, ledger: _Ledger, class_name: str) -> ClassPart:
        """Figures and histograms of what one method said."""
        images = len(ledger.scores)
        result = class_result(
            class_name, ledger.scores, ledger.spool, unknown_masks=self.unknown_masks
        )
        values, undefined = dict(result.values), dict(result.undefined)
        bins = None
        if "pixel_aupro" in undefined:
            values[LEGACY], undefined[LEGACY] = None, undefined["pixel_aupro"]
        else:
            values[LEGACY], reason = _legacy(ledger.spool)
            undefined |= {LEGACY: reason} if reason else {}
            bins = bin_maps(lambda: ledger.spool, len(ledger.spool))
        facts = {
            "name": class_name,
            "values": values,
            "undefined": undefined,
            "error_limits": result.error_limits,
            "bootstrap_error_limits": bins.error_limits() if bins else {},
            "normal": result.normal,
            "anomalous": result.anomalous,
            "unknown_masks": result.unknown_masks,
            "unreadable": self.unreadable,
            "images": images,
            "seconds": {"tower": self.tower_seconds, "method": ledger.seconds},
        }
        return ClassPart(
            facts=facts,
            paths=[path for path, _, _ in ledger.scores],
            labels=np.array([label for _, label, _ in ledger.scores], dtype=np.int64),
            scores=np.array([score for _, _, score in ledger.scores], dtype=np.float64),
            known=np.array(self.known, dtype=np.int64),
            bins=bins,
        )


def _legacy(spool: MapSpool) -> tuple[float | None, str | None]:
    """The figure, or why there is none."""
    try:
        return legacy_aupro(lambda: spool), None
    except MetricError as error:
        return None, str(error)


def blocks_of(tower: ImageTower, scorers: Iterable[Scorer]) -> frozenset[int]:
    """Blocks that some scorer reads; the last one is always among them."""
    last = len(tower.backbone.clip.visual.transformer.resblocks) - 1
    return frozenset({last}.union(*(scorer.blocks for scorer in scorers)))


def short_path(path: Path, root: Path) -> str:
    """A path below the root of its data set, as cells name it; whole if it lies elsewhere."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


@torch.inference_mode()
def see(tower: ImageTower, pixels: Sequence[Any], blocks: frozenset[int]) -> Seen:
    """Send a batch through the frozen tower, once.

    Args:
        tower: Whose backbone sees.
        pixels: B tensors (3, S, S).
        blocks: Whose local features are kept; the last block must be among them.
    """
    visual = tower.backbone.clip.visual
    batch = torch.stack(list(pixels)).to(tower.backbone.clip.logit_scale.device)
    return Seen(batch, visual.dual(batch, blocks))
