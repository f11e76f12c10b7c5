"""The files of the regions of a prediction run, beside its rows and heat maps.

regions.jsonl       a line per image with all its regions, appended before the image's row
masks/              their pixels: 255 in a region, else 0
regions.csv         a line per region, largest peak first, written at the end
regions.coco.json   the same as COCO annotations, written at the end
"""

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from faprompt.detection.outputs import free_name, save_image
from faprompt.detection.prediction import Prediction
from faprompt.detection.region_tables import region_lines, require_whole, write_coco, write_table
from faprompt.detection.regions import Region, check_settings, find_regions, region_mask
from faprompt.detection.rendering import outlined
from faprompt.errors import ConfigError, OutputError
from faprompt.files import append_line, parse_json, replacing, write_text

ROWS = "regions.jsonl"

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionSettings:
    """What counts as a region; see :func:`faprompt.detection.regions.find_regions`."""

    pixel_threshold: float
    min_area: int = 0
    mm_per_pixel: float | None = None

    def __post_init__(self) -> None:
        check_settings(self.pixel_threshold, min_area=self.min_area, mm_per_pixel=self.mm_per_pixel)

    def find(self, prediction: Prediction) -> list[Region]:
        """The regions of one image."""
        return find_regions(
            prediction.anomaly_map,
            self.pixel_threshold,
            min_area=self.min_area,
            mm_per_pixel=self.mm_per_pixel,
            responses=prediction.responses,
        )

    def mask(self, prediction: Prediction) -> Image.Image:
        """Their pixels as a grey picture of the image's size: 255 in a region, else 0."""
        pixels = region_mask(prediction.anomaly_map, self.pixel_threshold, min_area=self.min_area)
        grey = pixels.view(np.uint8)
        grey *= 255  # in place: there may be very many
        return Image.fromarray(grey)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for the record of a run."""
        return asdict(self)


def outlined_overlay(prediction: Prediction, regions: Sequence[Region]) -> Image.Image:
    """The heat map with the outlines of regions; of a very large image a reduced one."""
    picture = prediction.overlay()
    scale = picture.width / prediction.size[0]
    return outlined(picture, ([(x * scale, y * scale) for x, y in r.polygon] for r in regions))


def choose_threshold(
    given: float | None, *, station: float | None, colour_limits: tuple[float, float]
) -> float:
    """The pixel threshold of a run: the one given, else the station's, else where colour starts.

    Args:
        given: As typed.
        station: ``pixel_threshold`` of a calibrated station, if there is one.
        colour_limits: Of the model: the lower one is where its heat maps become coloured.

    Raises:
        ConfigError: there is none above 0.
    """
    found = next((t for t in (given, station) if t is not None), colour_limits[0])
    if found <= 0:
        raise ConfigError(
            f"pixel threshold is {found:g}: needed is one above 0. Name one with "
            "--pixel-threshold, or calibrate a station"
        )
    return found


class RegionFolder:
    """Writes the regions of one run; opened again it goes on."""

    def __init__(self, folder: Path, settings: RegionSettings, *, done: Collection[str]) -> None:
        """Open a prediction folder for regions.

        Args:
            folder: Of the run.
            settings: What counts as a region; another run with others is refused by its record.
            done: Paths of the images that have a row: what else is there was left by a kill.
        """
        self.folder, self.settings = folder, settings
        rows = [row for row in self._rows() if row["path"] in done]
        if (folder / ROWS).is_file():
            write_text(folder / ROWS, "".join(json.dumps(row) + "\n" for row in rows))
        self._names = {row["mask"] for row in rows}

    def add(self, prediction: Prediction, name: PurePosixPath) -> list[Region]:
        """Find and write the regions of one image; its row in the run is to be written after.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        regions = self.settings.find(prediction)
        mask = free_name(self._names, PurePosixPath("masks") / name, "png")
        save_image(self.folder / mask, self.settings.mask(prediction))
        row: Row = {
            "path": prediction.path,
            "width": prediction.size[0],
            "height": prediction.size[1],
            "mask": mask,
            "regions": [region.to_dict() for region in regions],
        }
        append_line(self.folder / ROWS, row)
        return regions

    def finish(self) -> None:
        """Write the table and the COCO file."""
        lines = sorted(region_lines(self._rows()), key=lambda line: -line["peak"])
        with replacing(self.folder / "regions.csv") as temporary:
            write_table(temporary, lines)
        with replacing(self.folder / "regions.coco.json") as temporary:
            write_coco(temporary, self._rows)

    def _rows(self) -> Iterator[Row]:
        """Whole lines; the last of a killed run may be cut off."""
        path = self.folder / ROWS
        if not path.is_file():
            return
        try:
            with path.open(encoding="utf-8", errors="replace") as file:
                for line in file:
                    try:
                        row = parse_json(line)
                        require_whole(row)
                    except (ValueError, KeyError, TypeError):
                        continue
                    yield row
        except OSError as error:
            raise OutputError(f"{path}: cannot be read ({error.strerror})") from error
