"""Scans sorted by diagnosis, without masks.

Learnt from the publishers:

* Brain MRI for tumour detection (Chakrabarty 2019, Kaggle): ``yes/`` and ``no/``. The archive holds
  the images twice, the second time in ``brain_tumor_dataset``; the copy beside it is enough.
* Br35H (Hamada 2020, Kaggle): ``yes/``, ``no/``, and ``pred/`` without labels, which is not read.
* Head CT (Kitamura 2018, Kaggle "Head CT - hemorrhage"): ``head_ct/000.png`` ... and ``labels.csv``
  with the header ``id, hemorrhage`` (there is a blank in it).
* LAG (Li et al. 2019, smilell/AG-CNN): ``suspicious_glaucoma/`` and ``non_glaucoma/`` with the
  fundus pictures in ``image/`` beside attention maps that are not read.
"""

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from faprompt.data.files import find_folder, images_in, index_masks
from faprompt.data.layouts.base import Layout, never
from faprompt.data.samples import NORMAL_TYPE, Sample
from faprompt.errors import DataError

_KAGGLE_NAME = re.compile(r"y\d+", re.IGNORECASE)
"""Tumour images of Brain MRI are called Y1.jpg, Y2.jpg, ..."""


def _sample(path: Path, label: int, class_name: str, anomaly: str) -> Sample:
    return Sample(
        image_path=path,
        class_name=class_name,
        label=label,
        anomaly_type=anomaly if label else NORMAL_TYPE,
    )


def _has_yes_and_no(path: Path) -> bool:
    return all(find_folder(path, [name]) for name in ("yes", "no"))


def _is_brain_mri(path: Path) -> bool:
    """Anyone may call folders yes and no; these files have names of their own."""
    yes = find_folder(path, ["yes"])
    named = yes is not None and any(_KAGGLE_NAME.fullmatch(p.stem) for p in images_in(yes))
    return named and _has_yes_and_no(path) and not _is_br35h(path)


def _is_br35h(path: Path) -> bool:
    return _has_yes_and_no(path) and find_folder(path, ["pred"]) is not None


def _read_yes_and_no(root: Path) -> tuple[Sample, ...]:
    return tuple(
        _sample(path, label, "brain", "tumour")
        for label, name in enumerate(("no", "yes"))
        for path in images_in(find_folder(root, [name]) or root / name)
    )


def _head_files(root: Path) -> tuple[Path, Path] | None:
    """Folder of images and table of labels; the folder itself may be given."""
    folder = find_folder(root, ["head_ct"]) or (root if root.name.lower() == "head_ct" else None)
    if folder is None:
        return None
    found = (place / "labels.csv" for place in (root, folder, folder.parent))
    table = next((path for path in found if path.is_file()), None)
    inner = find_folder(folder, ["head_ct"])  # Kaggle's archive repeats the folder
    return (inner or folder, table) if table else None


def _read_head(root: Path) -> tuple[Sample, ...]:
    files = _head_files(root)
    if files is None:
        return ()
    images = index_masks(files[0])  # by stem
    return tuple(
        _sample(images[f"{number:03d}"], label, "head", "haemorrhage")
        for number, label in _head_labels(files[1])
        if f"{number:03d}" in images
    )


def _head_labels(table: Path) -> Iterator[tuple[int, int]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.reader(file, skipinitialspace=True):
            if not row or not row[0].strip().isdigit():
                continue  # the header, or an empty line
            if len(row) != 2 or row[1].strip() not in {"0", "1"}:
                raise DataError(
                    f"{table}: row {','.join(row)!r} is not a number and a label 0 or 1"
                )
            yield int(row[0]), int(row[1])


_LAG_FOLDERS = (
    ("non_glaucoma", "non-glaucoma", "normal"),
    ("suspicious_glaucoma", "suspicious-glaucoma", "glaucoma"),
)


def _lag_folders(root: Path) -> list[Path] | None:
    """Folders of normal and of suspicious pictures."""
    outer = [find_folder(root, names) for names in _LAG_FOLDERS]
    found = [find_folder(folder, ["image", "images"]) or folder for folder in outer if folder]
    return found if len(found) == len(_LAG_FOLDERS) else None


BRAINMRI = Layout(
    name="brainmri",
    looks="yes/ and no/ with images",
    fits=_has_yes_and_no,
    read_root=_read_yes_and_no,
    certain=_is_brain_mri,
)
BR35H = Layout(
    name="br35h",
    looks="yes/ and no/ with images, beside pred/ which is not read",
    fits=_has_yes_and_no,
    read_root=_read_yes_and_no,
    certain=_is_br35h,
)
HEADCT = Layout(
    name="headct",
    looks="head_ct/*.png with labels.csv (id, hemorrhage)",
    fits=lambda path: _head_files(path) is not None,
    read_root=_read_head,
)
LAG = Layout(
    name="lag",
    looks="suspicious_glaucoma/ and non_glaucoma/, each with image/",
    fits=lambda path: _lag_folders(path) is not None,
    read_root=lambda path: tuple(
        _sample(image, label, "retina", "glaucoma")
        for label, folder in enumerate(_lag_folders(path) or [])
        for image in images_in(folder)
    ),
    certain=never,
)
