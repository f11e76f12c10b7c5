"""AITEX fabric images (Silvestre-Blanes et al. 2019): strips of 4096x256 pixels in three folders.

Learnt from aitex.es/afid and the paper: ``NODefect_images/<fabric>/*.png``,
``Defect_images/*.png`` called ``<number>_<defect>_<fabric>.png``, and ``Mask_images/<the
same>_mask.png``. A few images have several masks (``_mask1``, ``_mask2``) or none: their defect
pixels are unknown, since half of a defect would make the other half normal. Strips are read whole.
"""

import logging
import re
from pathlib import Path

from faprompt.data.files import find_folder, images_below
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample

logger = logging.getLogger(__name__)

_NORMAL, _DEFECT, _MASKS = "nodefect_images", "defect_images", "mask_images"
_DEFECT_CODE = re.compile(r"\d+_(\d+)_\d+")
_MASK = re.compile(r"(?P<stem>.+)_mask\d*")


def _read(root: Path) -> tuple[Sample, ...]:
    masks = _masks(find_folder(root, [_MASKS]))
    defects = [_defect(path, masks) for path in _images(root, _DEFECT)]
    return (
        *defects,
        *(
            Sample(image_path=path, class_name="fabric", label=0, anomaly_type=NORMAL_TYPE)
            for path in _images(root, _NORMAL)
        ),
    )


def _images(root: Path, name: str) -> list[Path]:
    folder = find_folder(root, [name])
    return list(images_below(folder)) if folder else []


def _masks(folder: Path | None) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in images_below(folder) if folder else ():
        if match := _MASK.fullmatch(path.stem.lower()):
            found.setdefault(match["stem"], []).append(path)
    return found


def _defect(path: Path, masks: dict[str, list[Path]]) -> Sample:
    mine = masks.get(path.stem.lower(), [])
    if len(mine) > 1:
        logger.warning("%s: has %d masks; its defect pixels are unknown", path, len(mine))
    code = _DEFECT_CODE.fullmatch(path.stem)
    return Sample(
        image_path=path,
        class_name="fabric",
        label=1,
        anomaly_type=code[1] if code else ANOMALOUS_TYPE,
        mask_path=mine[0] if len(mine) == 1 else None,
        mask_rule="above127",
    )


AITEX = Layout(
    name="aitex",
    looks="NODefect_images/, Defect_images/ and Mask_images/",
    fits=lambda path: all(find_folder(path, [name]) for name in (_NORMAL, _DEFECT)),
    read_root=_read,
)
