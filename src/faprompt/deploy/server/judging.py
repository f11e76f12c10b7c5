"""What is made of scores and maps: decisions by a station, and regions at its pixel threshold."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faprompt.deploy.server.database import Row
from faprompt.deploy.server.render import Renderer
from faprompt.deploy.server.stations import Stations
from faprompt.deploy.server.store import Store
from faprompt.detection.prediction import Prediction
from faprompt.detection.region_files import choose_threshold
from faprompt.detection.regions import find_regions
from faprompt.detection.station import Station

logger = logging.getLogger(__name__)

MOST_REGIONS = 100
"""Of one image, strongest first: noise has thousands."""

Values = dict[str, Any]


class Judge:
    """Decides and outlines, at first and again when a batch gets another station."""

    def __init__(self, store: Store, stations: Stations, renderer: Renderer) -> None:
        self._store, self._stations, self._renderer = store, stations, renderer
        self._later = ThreadPoolExecutor(1, thread_name_prefix="faprompt-regions")

    def first(self, prediction: Prediction, station: str | None) -> Values:
        """Decision and regions of an image that was just looked at."""
        found = self._station(station)
        values = decision(found, prediction.image_score)
        threshold = pixel_threshold(found, prediction.colour_limits)
        return values | regions_at(threshold, prediction.anomaly_map, prediction.responses)

    def again(self, batch: str, station: str | None) -> None:
        """Let another station judge a batch: decisions now, outlines soon after.

        The outlines come from the stored maps, one image after the other, in a thread beside the
        model's; until then ``region_threshold`` says what they were found at.
        """
        found = self._station(station)
        rows = [row for row in self._store.items(batch) if row["status"] == "done"]
        decisions = {row["id"]: decision(found, row["image_score"]) for row in rows}
        self._store.set_station(batch, station, decisions)
        self.outline_again(rows, found)

    def outline_again(self, rows: Iterable[Row], station: Station | None) -> None:
        """Find the regions of finished items again, where their threshold is another now."""
        for row in rows:
            threshold = pixel_threshold(station, (row["colour_low"], row["colour_high"]))
            if row["region_threshold"] != threshold:
                self._later.submit(self._outline, row["id"], threshold)

    def close(self) -> None:
        """End; what is not outlined yet is, when the desk opens the next time."""
        self._later.shutdown(cancel_futures=True)

    def resume(self) -> None:
        """Take up outlines that the end of the process left to do."""
        self.outline_again(self._store.outlined_otherwise(None, None), None)
        for ident, station in self._stations.all():
            rows = self._store.outlined_otherwise(ident, station.pixel_threshold)
            self.outline_again(rows, station)

    def _station(self, station: str | None) -> Station | None:
        found = None if station is None else self._stations.get(station)
        if station is not None and found is None:
            logger.warning("station %s is not served any more: no decision", station)
        return found

    def _outline(self, item: str, threshold: float) -> None:
        try:
            row = self._store.item(item)
            if row is None or row["region_threshold"] == threshold:
                return
            values, responses = self._renderer.stored(row)
            self._store.update(item, regions_at(threshold, values, responses))
        except Exception:  # the pictures were taken away by hand: the old outlines stay
            logger.exception("regions of an item cannot be found again")


def decision(station: Station | None, image_score: float) -> Values:
    """Columns of a decision."""
    if station is None:
        return {"verdict": None, "margin": None}
    return asdict(station.decide(image_score))


def pixel_threshold(station: Station | None, colour_limits: tuple[float, float]) -> float:
    """From which value on pixels make regions: the station's, else where colour starts."""
    found = None if station is None else station.pixel_threshold
    return choose_threshold(None, station=found, colour_limits=colour_limits)


def regions_at(
    threshold: float, anomaly_map: NDArray[np.float32], responses: NDArray[np.float32] | None
) -> Values:
    """Columns of the regions of a map."""
    found = find_regions(anomaly_map, threshold, responses=responses)
    regions = [region.to_dict() for region in found[:MOST_REGIONS]]
    return {"regions": regions, "region_threshold": threshold}
