"""Brain MRI for tumour detection (Chakrabarty 2019, Kaggle): ``yes/`` and ``no/``, no masks.

Kaggle's archive holds the images twice, the second time in ``brain_tumor_dataset``; the copy beside
it is enough.

Br35H (Hamada 2020, Kaggle ``ahmedhamada0/brain-tumor-detection``) has the same two folders beside
``pred/``, whose images have no label and are not test samples.
"""

import re
from dataclasses import replace
from pathlib import Path

from faprompt.data.files import find_folder, images_in
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, Sample

_KAGGLE_NAME = re.compile(r"y\d+", re.IGNORECASE)
"""Tumour images are called Y1.jpg, Y2.jpg, ..."""


def _fits(path: Path) -> bool:
    return all(find_folder(path, [name]) for name in ("yes", "no"))


def _certain(path: Path) -> bool:
    """Anyone may call folders yes and no; these files have names of their own."""
    yes = find_folder(path, ["yes"])
    named = yes is not None and any(_KAGGLE_NAME.fullmatch(p.stem) for p in images_in(yes))
    return named and _fits(path)


def _read(root: Path) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            image_path=path,
            class_name="brain",
            label=label,
            anomaly_type="tumour" if label else NORMAL_TYPE,
        )
        for label, name in enumerate(("no", "yes"))
        for path in images_in(find_folder(root, [name]) or root / name)
    )


def _is_br35h(path: Path) -> bool:
    return find_folder(path, ["pred"]) is not None and _certain(path)


BRAINMRI = Layout(
    name="brainmri",
    looks="yes/ and no/ with images",
    fits=_fits,
    read_root=_read,
    certain=_certain,
)
BR35H = replace(BRAINMRI, name="br35h", certain=_is_br35h)
