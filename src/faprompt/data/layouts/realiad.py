"""Real-IAD (Wang et al. 2024): ``realiad_jsons/<class>.json`` tells the test split of each class.

Learnt from realiad4ad.github.io: ``{"meta": {"normal_class": "OK", "prefix": "audiojack/"}, "test":
[{"category", "anomaly_class", "image_path", "mask_path"}]}``; images lie in ``realiad_1024`` or
``realiad_512``, below the class's prefix.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from faprompt.data.files import find_folder
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, Sample
from faprompt.errors import DataError

_JSON_FOLDERS = ("realiad_jsons", "realiad_json")
_IMAGE_FOLDERS = ("realiad_1024", "realiad_512", "realiad_raw", "realiad")


def _tables(root: Path) -> list[Path]:
    folder = find_folder(root, _JSON_FOLDERS)
    inner = folder and find_folder(folder, _JSON_FOLDERS)  # the archive repeats the folder
    found = inner or folder
    return sorted(p for p in found.glob("*.json") if p.is_file()) if found else []


def _read(root: Path) -> tuple[Sample, ...]:
    images = find_folder(root, _IMAGE_FOLDERS) or root
    return tuple(sample for table in _tables(root) for sample in _read_class(images, table))


def _read_class(images: Path, table: Path) -> Iterator[Sample]:
    try:
        content: Any = json.loads(table.read_text(encoding="utf-8-sig"))
        meta, entries = content["meta"], content["test"]
        for entry in entries:
            yield _sample(images / meta["prefix"], meta["normal_class"], entry)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{table}: not a table of Real-IAD ({error!r})") from error


def _sample(folder: Path, normal: str, entry: dict[str, str | None]) -> Sample:
    kind, mask = str(entry["anomaly_class"]), entry.get("mask_path")
    label = int(kind != normal)
    return Sample(
        image_path=folder / str(entry["image_path"]),
        class_name=str(entry["category"]),
        label=label,
        anomaly_type=kind if label else NORMAL_TYPE,
        mask_path=folder / mask if label and mask else None,
        mask_rule="above127",
    )


REALIAD = Layout(
    name="realiad",
    looks="realiad_jsons/<class>.json beside realiad_1024/",
    fits=lambda path: bool(_tables(path)),
    read_root=_read,
)
