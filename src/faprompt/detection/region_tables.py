"""The regions of many images as a table and as COCO. Free of torch.

Their rows have ``path``, ``width``, ``height`` and ``regions`` (as ``Region.to_dict``).
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

COLUMNS = (
    *("path", "region", "x", "y", "width", "height", "area", "area_mm2", "peak", "mean"),
    *("prompt", "prompt_share"),
)
CATEGORY = {"id": 1, "name": "anomaly", "supercategory": ""}

Row = dict[str, Any]


def require_whole(row: Row) -> None:
    """Raise a ValueError, KeyError or TypeError where a row lacks what is written of it."""
    if not (isinstance(row["path"], str) and isinstance(row["mask"], str)):
        raise TypeError("path or mask")
    _coco_image(row, 0)
    for region in row["regions"]:
        coco_region(region, 0, 0)
        _ = -_line(row, 0, region)["peak"]


def write_table(path: Path, lines: Iterable[Row]) -> None:
    """Write lines of the table, after its heading."""
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def region_lines(rows: Iterable[Row]) -> Iterator[Row]:
    """A line of the table per region, in their order."""
    return (_line(row, i, r) for row in rows for i, r in enumerate(row["regions"]))


def _line(row: Row, index: int, region: Row) -> Row:
    """One line of the table."""
    values = dict(zip(("x", "y", "width", "height"), region["box"], strict=True))
    values |= {name: region[name] for name in ("area", "area_mm2", "peak", "mean")}
    values |= {"path": row["path"], "region": index}
    if region["prompts"]:
        values["prompt"], values["prompt_share"] = region["prompts"][0]
    return values


def write_coco(path: Path, rows: Callable[[], Iterable[Row]]) -> None:
    """Write all regions as COCO annotations.

    Piece by piece: the outlines of many images need not be in memory together.

    Args:
        path: To write.
        rows: Reads the rows; called twice.
    """
    head = f'{{"info": {{"description": "faprompt"}}, "categories": [{json.dumps(CATEGORY)}'
    with path.open("w", encoding="utf-8") as file:
        file.write(head + '],\n"images": [\n')
        _write_list(file, (_coco_image(row, i) for i, row in enumerate(rows(), 1)))
        file.write('],\n"annotations": [\n')
        found = ((i, r) for i, row in enumerate(rows(), 1) for r in row["regions"])
        _write_list(file, (coco_region(r, n, i) for n, (i, r) in enumerate(found, 1)))
        file.write("]}\n")


def _write_list(file: TextIO, items: Iterable[Row]) -> None:
    separator = ""
    for item in items:
        file.write(separator + json.dumps(item))
        separator = ",\n"


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
