"""The files of the regions of a prediction run, beside its rows and heat maps.

regions.jsonl       a line per image with all its regions, appended before the image's row
masks/              their pixels: 255 in a region, else 0
regions.csv         a line per region, largest peak first, written at the end
regions.coco.json   the same as COCO annotations, written at the end
"""

import csv
import io
import json
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

import numpy as np
from PIL import Image

from faprompt.detection.outputs import free_name, save_image
from faprompt.detection.prediction import Prediction
from faprompt.detection.regions import Region, check_settings, find_regions, region_mask
from faprompt.errors import ConfigError, OutputError
from faprompt.files import append_line, parse_json, replacing, write_text

ROWS = "regions.jsonl"
COLUMNS = (
    *("path", "region", "x", "y", "width", "height", "area", "area_mm2", "peak", "mean"),
    *("prompt", "prompt_share"),
)
CATEGORY = {"id": 1, "name": "anomaly", "supercategory": ""}

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

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for the record of a run."""
        return asdict(self)


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
        pixels = region_mask(
            prediction.anomaly_map, self.settings.pixel_threshold, min_area=self.settings.min_area
        )
        grey = pixels.view(np.uint8)
        grey *= 255  # in place: there may be very many
        save_image(self.folder / mask, Image.fromarray(grey))
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
        self._write_table()
        with (
            replacing(self.folder / "regions.coco.json") as temporary,
            temporary.open("w", encoding="utf-8") as file,
        ):
            self._write_coco(file)

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
                        _require_whole(row)
                    except (ValueError, KeyError, TypeError):
                        continue
                    yield row
        except OSError as error:
            raise OutputError(f"{path}: cannot be read ({error.strerror})") from error

    def _write_table(self) -> None:
        lines = [_line(row, i, r) for row in self._rows() for i, r in enumerate(row["regions"])]
        lines.sort(key=lambda line: -line["peak"])
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
        write_text(self.folder / "regions.csv", text.getvalue())

    def _write_coco(self, file: TextIO) -> None:
        """Piece by piece: the outlines of many images need not be in memory together."""
        file.write(
            f'{{"info": {{"description": "faprompt"}}, "categories": [{json.dumps(CATEGORY)}'
        )
        file.write('],\n"images": [\n')
        _write_list(file, (_coco_image(row, i) for i, row in enumerate(self._rows(), 1)))
        file.write('],\n"annotations": [\n')
        found = ((i, r) for i, row in enumerate(self._rows(), 1) for r in row["regions"])
        _write_list(file, (coco_region(r, n, i) for n, (i, r) in enumerate(found, 1)))
        file.write("]}\n")


def _write_list(file: TextIO, items: Iterator[Row]) -> None:
    separator = ""
    for item in items:
        file.write(separator + json.dumps(item))
        separator = ",\n"


def _require_whole(row: Row) -> None:
    """Raise a ValueError, KeyError or TypeError where a row lacks what is written of it."""
    if not (isinstance(row["path"], str) and isinstance(row["mask"], str)):
        raise TypeError("path or mask")
    _coco_image(row, 0)
    for region in row["regions"]:
        coco_region(region, 0, 0)
        _ = -_line(row, 0, region)["peak"]


def _line(row: Row, index: int, region: Row) -> Row:
    """One line of the table."""
    values = dict(zip(("x", "y", "width", "height"), region["box"], strict=True))
    values |= {name: region[name] for name in ("area", "area_mm2", "peak", "mean")}
    values |= {"path": row["path"], "region": index}
    if region["prompts"]:
        values["prompt"], values["prompt_share"] = region["prompts"][0]
    return values


def _coco_image(row: Row, number: int) -> Row:
    return {
        "id": number,
        "file_name": row["path"],
        "width": row["width"],
        "height": row["height"],
    }


def coco_region(region: Row, number: int, image: int) -> Row:
    """An annotation; its polygon is not closed by a repeated point, as is the custom there."""
    return {
        "id": number,
        "image_id": image,
        "category_id": CATEGORY["id"],
        "segmentation": [[value for point in region["polygon"][:-1] for value in point]],
        "bbox": region["box"],
        "area": region["area"],
        "iscrowd": 0,
        "score": region["peak"],
        "mean_score": region["mean"],
        "area_mm2": region["area_mm2"],
        "prompts": region["prompts"],
    }
