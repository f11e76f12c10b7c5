"""AITEX (Silvestre-Blanes et al. 2019): fabric strips of 4096 x 256 pixels.

Learnt from aitex.es/afid: ``NODefect_images/<fabric>/*.png``, ``Defect_images/0001_002_00.png``
(number, code of the defect, code of the fabric) and ``Mask_images/0001_002_00_mask.png``. One image
has no mask and a few have two (``_mask1``, ``_mask2``): what is defective there is unknown to a
layout of one mask per image, and is left out of pixel metrics.

Published tables count 564 normal and 183 anomalous images: square pieces of these strips, whose cut
is nowhere told. Here a strip is one image; give pieces as a ``manifest`` to compare with them.
"""

from pathlib import Path

from faprompt.data.files import find_folder, images_below, images_in, index_masks
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample


def _folders(root: Path) -> tuple[Path, Path] | None:
    normal, defect = (find_folder(root, [f"{kind}_images"]) for kind in ("nodefect", "defect"))
    return (normal, defect) if normal and defect else None


def _read(root: Path) -> tuple[Sample, ...]:
    folders = _folders(root)
    if folders is None:
        return ()
    masks = index_masks(find_folder(root, ["mask_images"]))
    normal = [_sample(path, 0, NORMAL_TYPE, None) for path in images_below(folders[0])]
    defects = [
        _sample(path, 1, _code(path.stem), masks.get(f"{path.stem.lower()}_mask"))
        for path in images_in(folders[1])
    ]
    return (*normal, *defects)


def _code(stem: str) -> str:
    """Code of the defect, the second number of a name."""
    parts = stem.split("_")
    return f"code_{parts[1]}" if len(parts) > 2 else ANOMALOUS_TYPE


def _sample(path: Path, label: int, kind: str, mask: Path | None) -> Sample:
    return Sample(
        image_path=path,
        class_name="fabric",
        label=label,
        anomaly_type=kind,
        mask_path=mask,
        mask_rule="above127",
    )


AITEX = Layout(
    name="aitex",
    looks="NODefect_images/, Defect_images/ and Mask_images/",
    fits=lambda path: _folders(path) is not None,
    read_root=_read,
)
