"""KolektorSDD and KolektorSDD2: the mask of every image beside it; an empty one means normal.

Learnt from vicos.si/resources: KolektorSDD (Tabernik et al. 2019) has ``kosNN/PartN.jpg`` with
``PartN_label.bmp``, KolektorSDD2 (Bozic et al. 2021) ``test/NNNNN.png`` with ``NNNNN_GT.png``. Its
``train`` is not read; KolektorSDD has no split, so all of it is.
"""

import logging
import re
from pathlib import Path

import numpy as np

from faprompt.data.files import find_folder, images_in, subfolders
from faprompt.data.images import opened
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, UNKNOWN_TYPE, Sample
from faprompt.errors import DataError

logger = logging.getLogger(__name__)

_ITEM = re.compile(r"kos\d+", re.IGNORECASE)
_TYPES = {0: NORMAL_TYPE, 1: ANOMALOUS_TYPE, None: UNKNOWN_TYPE}


def _items(root: Path) -> list[Path]:
    return [folder for folder in subfolders(root) if _ITEM.fullmatch(folder.name)]


def _read_ksdd(root: Path) -> tuple[Sample, ...]:
    return tuple(
        sample
        for folder in _items(root)
        for sample in _read_folder(folder, "_label", "electrical_commutator")
    )


def _read_folder(folder: Path, ending: str, class_name: str) -> list[Sample]:
    files = images_in(folder)
    masks = {path.stem.lower(): path for path in files if path.stem.lower().endswith(ending)}
    return [
        _sample(path, masks.get(path.stem.lower() + ending), class_name)
        for path in files
        if path.stem.lower() not in masks
    ]


def _sample(image: Path, mask: Path | None, class_name: str) -> Sample:
    label = None if mask is None else _label(mask)
    return Sample(
        image_path=image,
        class_name=class_name,
        label=label,
        anomaly_type=_TYPES[label],
        mask_path=mask if label is not None else None,
        mask_rule="nonzero",
    )


def _label(mask: Path) -> int | None:
    """Tell the label by the mask; a damaged mask costs its own image's label alone."""
    try:
        with opened(mask) as file:
            return int(np.asarray(file.convert("RGB")).any())
    except DataError as error:
        logger.warning("%s; its image has no label", error)
        return None


def _test_folder(root: Path) -> Path | None:
    """Return KolektorSDD2's ``test``, told by the names of its masks."""
    test = root if root.name.lower() == "test" else find_folder(root, ["test"])
    named = test is not None and any(p.stem.lower().endswith("_gt") for p in images_in(test))
    return test if named else None


def _read_ksdd2(root: Path) -> tuple[Sample, ...]:
    test = _test_folder(root)
    return tuple(_read_folder(test, "_gt", "surface") if test else ())


KSDD = Layout(
    name="ksdd",
    looks="kosNN/PartN.jpg with PartN_label.bmp",
    fits=lambda path: bool(_items(path)),
    read_root=_read_ksdd,
)
KSDD2 = Layout(
    name="ksdd2",
    looks="test/NNNNN.png with NNNNN_GT.png",
    fits=lambda path: _test_folder(path) is not None,
    read_root=_read_ksdd2,
)
