"""VisA (Zou et al. 2022): images per class, and ``split_csv/1cls.csv`` that says what they are.

Learnt from the authors' repository, amazon-science/spot-diff: columns object, split (train, test),
label (normal, anomaly), image, mask; paths relative to the folder above ``split_csv``. Masks hold
codes of the defect types.
"""

from pathlib import Path

from faprompt.config import short
from faprompt.data.files import find_folder
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.manifest import resolve
from faprompt.data.layouts.names import label_of
from faprompt.data.layouts.tables import rows_of
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample
from faprompt.errors import DataError

_COLUMNS = ("object", "split", "label", "image", "mask")


def _table(root: Path) -> Path | None:
    """Return the table of the split in which training has normal images only."""
    folder = root if root.name.lower() == "split_csv" else find_folder(root, ["split_csv"])
    file = folder / "1cls.csv" if folder else None
    return file if file and file.is_file() else None


def _read(root: Path) -> tuple[Sample, ...]:
    table = _table(root)
    assert table is not None
    rows = rows_of(table, _COLUMNS)
    return tuple(_sample(table, row) for row in rows if row["split"].lower() == "test")


def _sample(table: Path, row: dict[str, str]) -> Sample:
    label = label_of(row["label"])
    if label is None or not row["image"]:
        raise DataError(
            f"{table}: {row['image'] or 'a row without image'} has label {short(row['label'])}; "
            "needed are an image and normal or anomaly"
        )
    base = table.parent.parent
    return Sample(
        image_path=resolve(base, row["image"]),
        class_name=row["object"],
        label=label,
        anomaly_type=ANOMALOUS_TYPE if label else NORMAL_TYPE,
        mask_path=resolve(base, row["mask"]) if row["mask"] and label else None,
        mask_rule="nonzero",
    )


VISA = Layout(
    name="visa",
    looks="split_csv/1cls.csv beside the class folders",
    fits=lambda path: _table(path) is not None,
    read_root=_read,
)
