"""Scoring one shard: rows and reasons, the same wherever it runs."""

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from faprompt.detection.outputs import encode_image
from faprompt.scale.engines import Report, Work
from faprompt.scale.model import Model
from faprompt.scale.plan import Plan, Row, inputs_of, shard_name
from faprompt.scale.shards import Form, write_shard
from faprompt.scale.sources import as_source
from faprompt.scale.store import Store

if TYPE_CHECKING:
    from faprompt.detection.detector import Detector
    from faprompt.detection.prediction import Prediction

FORM = Form(("index", "path", "image_score", "width", "height", "milliseconds", "map", "error"))


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicting:
    """How shards of images are scored."""

    out: str
    plan: Plan
    model: Model
    batch_size: int | None
    workers: int
    """Threads that read images beside the model."""
    max_pixels: int
    map_format: str | None
    """``png``, ``jpg``, or None for scores alone."""

    def build(self) -> Work:
        """Load the model; see :class:`faprompt.scale.engines.Recipe`."""
        return ShardPredictor(self, self.model.load())


class ShardPredictor:
    """Scores shards with one model."""

    def __init__(self, recipe: Predicting, detector: "Detector") -> None:
        self.recipe, self.detector = recipe, detector
        self.store = Store(recipe.out)

    def __call__(self, shard: int) -> Report:
        """Score a shard, unless its file is there.

        Raises:
            OutputError: it cannot be written.
        """
        if self.store.exists(shard_name(shard)):  # done by a worker that was taken for dead
            return {"shard": shard, "rows": self.recipe.plan.size(shard), "errors": 0}
        started = time.perf_counter()
        rows = self._rows(
            shard, [row["path"] for row in inputs_of(self.store, self.recipe.plan, shard)]
        )
        seconds = time.perf_counter() - started
        facts = write_shard(self.store, shard, rows, form=FORM, seconds=seconds)
        return {"shard": shard, "rows": facts["rows"], "errors": facts["errors"]}

    def _rows(self, shard: int, names: Sequence[str]) -> list[Row]:
        first = self.recipe.plan.first(shard)
        rows: list[Row] = [{"index": first + i, "path": name} for i, name in enumerate(names)]
        sources = [as_source(name) for name in names]
        numbers = {str(source): i for i, source in enumerate(sources)}
        stream = self.detector.predict(
            sources,
            batch_size=self.recipe.batch_size,
            workers=self.recipe.workers,
            max_pixels=self.recipe.max_pixels,
            on_error=lambda source, error: rows[numbers[str(source)]].update(error=str(error)),
        )
        for prediction in stream:
            row = rows[numbers[prediction.path or ""]]
            row |= {
                "image_score": prediction.image_score,
                "width": prediction.size[0],
                "height": prediction.size[1],
                "milliseconds": prediction.milliseconds,
                "map": self._write_map(shard, row["index"], prediction),
            }
        return rows

    def _write_map(self, shard: int, index: int, prediction: "Prediction") -> str | None:
        """Written before the shard: a map without a row is replaced when the row is made."""
        form = self.recipe.map_format
        if form is None:
            return None
        name = f"maps/{shard:08d}/{index:010d}.{form}"
        buffer = io.BytesIO()
        encode_image(prediction.overlay(), buffer, form)
        self.store.write(name, buffer.getvalue())
        return name
