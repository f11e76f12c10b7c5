"""VisA (Zou et al. 2022): what belongs to the test split is told by ``split_csv/1cls.csv``.

Learnt from amazon-science/spot-diff: columns object, split, label (normal or anomaly), image, mask;
paths are relative to the root, masks hold codes of defects.
"""

import csv
from pathlib import Path

from faprompt.data.files import find_folder
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample
from faprompt.errors import DataError

_FILE = "1cls.csv"
_COLUMNS = ("object", "split", "label", "image", "mask")
_LABELS = {"normal": 0, "anomaly": 1}


def _table(root: Path) -> Path | None:
    folder = find_folder(root, ["split_csv"])
    return folder / _FILE if folder and (folder / _FILE).is_file() else None


def _read(root: Path) -> tuple[Sample, ...]:
    table = _table(root)
    if table is None:
        return ()
    with table.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        if missing := set(_COLUMNS) - set(header):
            raise DataError(f"{table}: lacks the columns {sorted(missing)}; has {header}")
        reader.fieldnames = header
        rows = [{k: (v or "").strip() for k, v in row.items() if k} for row in reader]
    return tuple(_sample(root, table, row) for row in rows if row["split"].lower() == "test")


def _sample(root: Path, table: Path, row: dict[str, str]) -> Sample:
    if row["label"].lower() not in _LABELS or not row["image"]:
        raise DataError(
            f"{table}: label {row['label']!r} of image {row['image']!r}; needed are normal or "
            "anomaly and a path"
        )
    label = _LABELS[row["label"].lower()]
    return Sample(
        image_path=root / row["image"],
        class_name=row["object"],
        label=label,
        anomaly_type=ANOMALOUS_TYPE if label else NORMAL_TYPE,
        mask_path=root / row["mask"] if label and row["mask"] else None,
        mask_rule="nonzero",
    )


VISA = Layout(
    name="visa",
    looks="split_csv/1cls.csv beside the folders that it names",
    fits=lambda path: _table(path) is not None,
    read_root=_read,
)
