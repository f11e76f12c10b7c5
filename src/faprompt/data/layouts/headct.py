"""HeadCT (Kitamura 2018, Kaggle ``felipekitamura/head-ct-hemorrhage``): 200 slices, no masks.

``labels.csv`` has the columns ``id`` and, with a space before it, ``hemorrhage``; the image of id
7 is ``head_ct/head_ct/007.png``.
"""

from pathlib import Path

from faprompt.config import short
from faprompt.data.files import images_below
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.names import label_of
from faprompt.data.layouts.tables import rows_of
from faprompt.data.samples import NORMAL_TYPE, Sample
from faprompt.errors import DataError

_KIND = "hemorrhage"


def _table(root: Path) -> Path | None:
    for file in (root / "labels.csv", root.parent / "labels.csv"):
        if file.is_file():
            with file.open("rb") as opened:
                if _KIND.encode() in opened.readline().lower():
                    return file
    return None


def _read(root: Path) -> tuple[Sample, ...]:
    table = _table(root)
    assert table is not None
    images = {int(p.stem): p for p in images_below(table.parent) if p.stem.isdecimal()}
    return tuple(_sample(table, row, images) for row in rows_of(table, ("id", _KIND)))


def _sample(table: Path, row: dict[str, str], images: dict[int, Path]) -> Sample:
    label = label_of(row[_KIND])
    if label is None or not row["id"].isdecimal():
        raise DataError(
            f"{table}: id {short(row['id'])} has {_KIND} {short(row[_KIND])}; needed are a number "
            "and 0 or 1"
        )
    number = int(row["id"])
    missing = table.parent / "head_ct" / "head_ct" / f"{number:03d}.png"  # reported when read
    return Sample(
        image_path=images.get(number, missing),
        class_name="head",
        label=label,
        anomaly_type=_KIND if label else NORMAL_TYPE,
    )


HEADCT = Layout(
    name="headct",
    looks="labels.csv with the columns id and hemorrhage, and head_ct/NNN.png",
    fits=lambda path: _table(path) is not None,
    read_root=_read,
)
