"""Scoring one shard: rows and reasons, the same wherever it runs."""

import io
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from faprompt.data.loading import map_ordered
from faprompt.detection.look import Look
from faprompt.detection.map_files import encode_tiff
from faprompt.detection.outputs import encode_image
from faprompt.detection.region_files import RegionSettings, outlined_overlay
from faprompt.detection.station import Station
from faprompt.detection.tracing import TRACED, measures, trace
from faprompt.errors import DataError, FAPromptError, OutputError
from faprompt.scale.copies import Copies
from faprompt.scale.engines import Report, Work
from faprompt.scale.model import Model
from faprompt.scale.plan import Plan, Row, inputs_of, picture_name, shard_name
from faprompt.scale.region_column import to_column
from faprompt.scale.shards import Form, write_shard
from faprompt.scale.store import Store

if TYPE_CHECKING:
    from PIL.Image import Image

    from faprompt.detection.detector import Detector
    from faprompt.detection.prediction import Prediction

FORM = Form((
    "index", "path", "image_score", "width", "height", "milliseconds", *TRACED, "map", "values",
    "mask", "regions", "error",
))  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Predicting:
    """How shards of images are scored."""

    out: str
    plan: Plan
    model: Model
    batch_size: int | None
    workers: int
    """Threads that fetch images, and threads that read them, beside the model."""
    max_pixels: int
    map_format: str | None
    """``png``, ``jpg``, or None: neither heat maps nor masks of regions."""
    look: Look = field(default_factory=Look)
    station: Station | None = None
    """Decides; None: scores alone."""
    regions: RegionSettings | None = None
    """What counts as a region; None: they are not looked for."""

    @property
    def origin(self) -> Mapping[str, str]:
        """What names the origin of a score and of a decision in every row."""
        found = {"model_sha256": self.model.sha256}
        return found | ({"station_sha256": self.station.sha256} if self.station else {})

    def build(self) -> Work:
        """Load the model; see :class:`faprompt.scale.engines.Recipe`."""
        detector = self.model.load(self.look)
        if self.station is not None:
            detector.use_station(self.station)
        return ShardPredictor(self, detector)


class ShardPredictor:
    """Scores shards with one model."""

    def __init__(self, recipe: Predicting, detector: "Detector") -> None:
        self.recipe, self.detector = recipe, detector
        self.origin = recipe.origin
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
        with Copies() as copies:
            self._fill(shard, rows, copies)
        return rows

    def _fill(self, shard: int, rows: Sequence[Row], copies: Copies) -> None:
        """Put into every row a result or an error."""
        places: dict[str, Row] = {}

        def fail(source: Any, error: FAPromptError) -> None:
            places[str(source)]["error"] = copies.reason(error)
            copies.drop(source)

        stream = self.detector.predict(
            self._sources(rows, places, copies),
            batch_size=self.recipe.batch_size,
            workers=self.recipe.workers,
            max_pixels=self.recipe.max_pixels,
            on_error=fail,
            look=self.recipe.look,
        )
        for prediction in stream:
            assert prediction.path is not None
            row = places[prediction.path]
            try:
                found = measures(prediction) | trace(prediction, **self.origin)
            except DataError as error:  # gone since it was read
                fail(prediction.path, error)
                continue
            row |= found | self._keep(shard, row["index"], prediction) | {"path": row["path"]}
            copies.drop(prediction.path)

    def _sources(
        self, rows: Sequence[Row], places: dict[str, Row], copies: Copies
    ) -> Iterator[Path]:
        """Files to read, some fetched ahead; a row that has none gets the reason."""
        fetched = map_ordered(
            lambda row: copies.here(row["path"]), rows, workers=self.recipe.workers
        )
        for row, path in fetched:
            if isinstance(path, OutputError):
                raise path
            if isinstance(path, FAPromptError):
                row["error"] = str(path)
                continue
            places[str(path)] = row
            yield path

    def _keep(self, shard: int, index: int, prediction: "Prediction") -> Row:
        """Regions and pictures, with their names.

        Written before the shard: a picture without a row is replaced when the row is made.
        """
        form, settings, row = self.recipe.map_format, self.recipe.regions, Row()
        regions = settings.find(prediction) if settings else []
        if settings:
            row["regions"] = to_column(regions)
        if form is None:
            return row
        overlay = outlined_overlay(prediction, regions) if settings else prediction.overlay()
        row["map"] = self._save(picture_name("maps", shard, index, form), overlay, form)
        if settings:
            mask = picture_name("masks", shard, index, "png")
            row["mask"] = self._save(mask, settings.mask(prediction), "png")
        if isinstance(prediction.anomaly_map, np.memmap):  # too large for a picture
            row["values"] = picture_name("maps", shard, index, "tif")
            with self.store.writing(row["values"]) as temporary:
                encode_tiff(temporary, prediction.anomaly_map)
        return row

    def _save(self, name: str, picture: "Image", form: str) -> str:
        buffer = io.BytesIO()
        encode_image(picture, buffer, form)
        self.store.write(name, buffer.getvalue())
        return name
