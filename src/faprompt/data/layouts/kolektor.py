"""Kolektor's surface-defect sets: images whose label is whether their mask is empty.

Learnt from vicos.si/resources/kolektorsdd and kolektorsdd2:

* KolektorSDD (Tabernik et al. 2020): ``kos01/Part0.jpg`` with ``Part0_label.bmp``; 347 images
  without and 52 with a defect. There is no test split and published ones differ: all are read.
* KolektorSDD2 (Bozic et al. 2021): ``test/20000.png`` with ``20000_GT.png``; ``train/`` is left
  out.

Every image has a mask, so that masks must be opened to tell the label. Where one cannot be read the
label is unknown.
"""

import logging
from collections.abc import Iterator
from pathlib import Path

from faprompt.data.files import find_folder, images_in, subfolders
from faprompt.data.images import opened
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, UNKNOWN_TYPE, Sample
from faprompt.errors import DataError

logger = logging.getLogger(__name__)


def _sample(image: Path, mask: Path | None, class_name: str) -> Sample:
    label = _label(mask)
    return Sample(
        image_path=image,
        class_name=class_name,
        label=label,
        anomaly_type={0: NORMAL_TYPE, 1: "defect", None: UNKNOWN_TYPE}[label],
        mask_path=mask if label else None,
        mask_rule="nonzero",
    )


def _label(mask: Path | None) -> int | None:
    """1 where the mask marks something, 0 where it is empty, None where it tells nothing."""
    if mask is None:
        return None
    try:
        with opened(mask) as image:
            image.load()
            return int(image.convert("L").getextrema()[1] != 0)
    except DataError as error:
        logger.warning("%s: the label stays unknown", error)
        return None


def _parts(root: Path) -> list[Path]:
    """Folders of single commutators, kos01 to kos50."""
    return [f for f in subfolders(root) if f.name.lower().startswith("kos") and _pairs(f, "_label")]


def _pairs(folder: Path, ending: str) -> list[tuple[Path, Path | None]]:
    """Images with their masks; a mask is called like its image, with an ending."""
    files = images_in(folder)
    masks = {p.stem.lower().removesuffix(ending): p for p in files if _is_mask(p, ending)}
    found = [(p, masks.get(p.stem.lower())) for p in files if not _is_mask(p, ending)]
    return found if masks else []


def _is_mask(path: Path, ending: str) -> bool:
    return path.stem.lower().endswith(ending)


def _read_parts(root: Path) -> Iterator[Sample]:
    for folder in _parts(root):
        for image, mask in _pairs(folder, "_label"):
            yield _sample(image, mask, "commutator")


def _test_pairs(root: Path) -> list[tuple[Path, Path | None]]:
    test = root if root.name.lower() == "test" else find_folder(root, ["test"])
    return _pairs(test, "_gt") if test else []


KSDD = Layout(
    name="ksdd",
    looks="kosNN/PartN.jpg with PartN_label.bmp",
    fits=lambda path: bool(_parts(path)),
    read_root=lambda path: tuple(_read_parts(path)),
)
KSDD2 = Layout(
    name="ksdd2",
    looks="test/NNNNN.png with NNNNN_GT.png",
    fits=lambda path: bool(_test_pairs(path)),
    read_root=lambda path: tuple(_sample(*pair, "surface") for pair in _test_pairs(path)),
)
