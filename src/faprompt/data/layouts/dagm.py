"""DAGM 2007 (Wieler and Hahn 2007): ``ClassN/Test`` with ``Label/Labels.txt``.

Learnt from conferences.mpi-inf.mpg.de/dagm/2007 and hci.iwr.uni-heidelberg.de. A line of
``Labels.txt`` is number, 0 or 1 (defect), image, 0, and the mask or 0; the first line is a number
alone. Masks are ellipses around the defect. ``Train`` has defects too and is not read.
"""

import re
from pathlib import Path

from faprompt.data.files import find_folder, images_in, index_masks, subfolders
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.tables import read_text
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample
from faprompt.errors import DataError

_CLASS = re.compile(r"class\d+", re.IGNORECASE)
_FLAG, _IMAGE, _COLUMNS = 1, 2, 5


def _tests(root: Path) -> dict[str, Path]:
    """Class name to the folder ``Test``, in the order of the numbers."""
    folders = [root] if _CLASS.fullmatch(root.name) else subfolders(root)
    folders = [folder for folder in folders if _CLASS.fullmatch(folder.name)]
    folders.sort(key=lambda folder: int(folder.name[len("class") :]))
    tests = {folder.name: find_folder(folder, ["test"]) for folder in folders}
    return {name: test for name, test in tests.items() if test and _table(test)}


def _table(test: Path) -> Path | None:
    folder = find_folder(test, ["label"])
    files = sorted(folder.iterdir()) if folder else []
    return next((file for file in files if file.name.lower() == "labels.txt"), None)


def _read(root: Path) -> tuple[Sample, ...]:
    return tuple(s for name, test in _tests(root).items() for s in _read_class(test, name))


def _read_class(test: Path, name: str) -> list[Sample]:
    table = _table(test)
    assert table is not None
    masks = index_masks(table.parent)
    defects = _defects(table)
    return [_sample(path, name, defects.get(path.stem.lower()), masks) for path in images_in(test)]


def _sample(path: Path, name: str, defect: bool | None, masks: dict[str, Path]) -> Sample:
    if defect is None:  # not in the table
        return Sample(image_path=path, class_name=name, label=None)
    return Sample(
        image_path=path,
        class_name=name,
        label=int(defect),
        anomaly_type=ANOMALOUS_TYPE if defect else NORMAL_TYPE,
        mask_path=masks.get(f"{path.stem.lower()}_label") if defect else None,
        mask_rule="nonzero",
    )


def _defects(table: Path) -> dict[str, bool]:
    """Stem of the image to whether it has a defect."""
    found: dict[str, bool] = {}
    for number, line in enumerate(read_text(table).splitlines(), start=1):
        values = line.split()
        if len(values) < _COLUMNS:
            if number > 1 and values:
                raise DataError(
                    f"{table}: line {number} has {len(values)} values; needed are {_COLUMNS}"
                )
            continue  # the count on the first line, or an empty line
        found[Path(values[_IMAGE]).stem.lower()] = values[_FLAG] == "1"
    return found


DAGM = Layout(
    name="dagm",
    looks="ClassN/Test/Label/Labels.txt",
    fits=lambda path: bool(_tests(path)),
    read_root=_read,
)
