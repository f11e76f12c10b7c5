"""Scoring labelled shards, and the figures of all of them.

Shards keep the maps (S, S), fp32, so that the figures are made as those of one process are.
"""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faprompt.detection.tiling import Tiling
from faprompt.errors import DataError
from faprompt.metrics.pixel import FPR_LIMIT
from faprompt.scale.engines import Report, Work
from faprompt.scale.labelled import LocalSamples
from faprompt.scale.model import Model
from faprompt.scale.plan import Plan, Row, inputs_of, shard_name
from faprompt.scale.shards import Form, read_batches, read_rows, write_shard
from faprompt.scale.store import Store

if TYPE_CHECKING:
    from faprompt.detection.detector import Detector
    from faprompt.detection.evaluation import Evaluation
    from faprompt.detection.figures import ClassResult
    from faprompt.detection.labelled import ScoredSample

SCORES = ("index", "path", "class", "label", "image_score", "error")
MAPS_AT_ONCE = 16
"""Rows per row group: of a shard no more maps are in memory when figures are made."""
FORM = Form((*SCORES, "anomaly_map", "gt_mask"), group=MAPS_AT_ONCE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluating:
    """How shards of labelled images are scored."""

    out: str
    plan: Plan
    model: Model
    batch_size: int | None
    workers: int
    tiling: Tiling | None = None
    """Look by windows; None: at once at every image."""

    def build(self) -> Work:
        """Load the model; see :class:`faprompt.scale.engines.Recipe`."""
        return ShardEvaluator(self, self.model.load())


class ShardEvaluator:
    """Scores labelled shards with one model."""

    def __init__(self, recipe: Evaluating, detector: "Detector") -> None:
        self.recipe, self.detector = recipe, detector
        self.store = Store(recipe.out)

    def __call__(self, shard: int) -> Report:
        """Score a shard, unless its file is there.

        Raises:
            OutputError: it cannot be written.
        """
        size = self.recipe.plan.size(shard)
        if not self.store.exists(shard_name(shard)):
            started = time.perf_counter()
            first = self.recipe.plan.first(shard)
            rows = [
                {"index": first + i, **row}
                for i, row in enumerate(inputs_of(self.store, self.recipe.plan, shard))
            ]
            self._score(rows)
            seconds = time.perf_counter() - started
            write_shard(self.store, shard, rows, form=FORM, seconds=seconds)
        return {"shard": shard, "rows": size}

    def _score(self, rows: list[Row]) -> None:
        from faprompt.detection.tiled_samples import scored_samples

        wanted = [row for row in rows if row["label"] is not None]
        with LocalSamples(wanted, workers=self.recipe.workers) as local:
            for number, error in local.errors.items():
                wanted[number]["error"] = str(error)
            places = dict(zip(map(id, local.samples), local.numbers, strict=True))
            for one in scored_samples(
                self.detector,
                local.samples,
                batch_size=self.recipe.batch_size,
                workers=self.recipe.workers,
                tiling=self.recipe.tiling,
            ):
                wanted[places[id(one.sample)]] |= _columns(one, local)


def _columns(scored: "ScoredSample", local: LocalSamples) -> Row:
    if scored.error is not None or scored.anomaly_map is None:
        return {"error": local.reason(scored.error or DataError("no map"))}
    mask = scored.gt_mask
    return {
        "image_score": scored.image_score,
        "anomaly_map": None if mask is None else scored.anomaly_map.tobytes(),
        "gt_mask": None if mask is None else np.packbits(mask).tobytes(),
    }


class ShardMaps:
    """Maps and masks of one class, read from the shards as often as they are asked for."""

    def __init__(self, store: Store, shards: Sequence[int], class_name: str) -> None:
        self.store, self.shards, self.class_name = store, shards, class_name

    def __iter__(self) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        columns = ["class", "anomaly_map", "gt_mask"]
        for shard in self.shards:
            for rows in read_batches(self.store, shard, columns, MAPS_AT_ONCE):
                for row in rows:
                    if row["class"] == self.class_name and row["gt_mask"] is not None:
                        yield _pair(row)


def _pair(row: Row) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    values = np.frombuffer(row["anomaly_map"], dtype=np.float32)
    side = math.isqrt(values.size)
    bits = np.frombuffer(row["gt_mask"], dtype=np.uint8)
    mask = np.unpackbits(bits, count=values.size).astype(np.bool_)
    return values.reshape(side, side), mask.reshape(side, side)


def figures(
    store: Store, plan: Plan, *, fpr_limit: float = FPR_LIMIT, seconds: float = 0
) -> "Evaluation":
    """All figures, from shards that are all there; the same as of one process.

    Args:
        store: The run's place.
        plan: Its plan.
        fpr_limit: See ``PixelMetrics``.
        seconds: What scoring took.

    Raises:
        OutputError: a shard is missing or damaged.
        DataError: no labelled image could be read.
    """
    from faprompt.detection.evaluation import Evaluation

    classes: dict[str, list[Row]] = {}
    unreadable: dict[str, str] = {}
    unlabelled = 0
    for row in read_rows(store, plan, SCORES):
        unlabelled += row["label"] is None
        if row["error"] is not None:
            unreadable[row["path"]] = row["error"]
        elif row["image_score"] is not None:
            classes.setdefault(row["class"], []).append(row)
    if not classes:
        raise DataError(f"{store.root}: no readable labelled images to evaluate")
    results = [
        _class_figures(store, plan, name, rows, fpr_limit=fpr_limit)
        for name, rows in sorted(classes.items())
    ]
    return Evaluation(
        classes=results,
        unreadable=unreadable,
        unlabelled=unlabelled,
        seconds=seconds,
        images=sum(len(rows) for rows in classes.values()),
    )


def _class_figures(
    store: Store, plan: Plan, name: str, rows: list[Row], *, fpr_limit: float
) -> "ClassResult":
    from faprompt.detection.figures import class_result

    shards = sorted({row["index"] // plan.shard_size for row in rows})
    maps = ShardMaps(store, shards, name)
    known = sum(1 for _ in maps)
    return class_result(
        name,
        [(row["path"], row["label"], row["image_score"]) for row in rows],
        maps,
        unknown_masks=len(rows) - known,
        fpr_limit=fpr_limit,
    )
