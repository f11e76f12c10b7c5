"""Kvasir-SEG (Jha et al. 2020): ``images/`` and JPEG ``masks/`` of the same names, all with polyps.

Learnt from datasets.simula.no/kvasir-seg.
"""

from pathlib import Path

from faprompt.data.files import find_folder, find_mask, images_in, index_masks
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import Sample


def _fits(path: Path) -> bool:
    return all(find_folder(path, [name]) for name in ("images", "masks"))


def _certain(path: Path) -> bool:
    """Images beside masks may be anything; hardly anyone else stores masks as JPEG."""
    masks = images_in(find_folder(path, ["masks"]) or path / "masks")
    return _fits(path) and bool(masks) and all(p.suffix.lower() == ".jpg" for p in masks)


def _read(root: Path) -> tuple[Sample, ...]:
    masks = index_masks(find_folder(root, ["masks"]))
    return tuple(
        Sample(
            image_path=path,
            class_name="colon",
            label=1,
            anomaly_type="polyp",
            mask_path=find_mask(masks, path.stem),
            mask_rule="above127",
        )
        for path in images_in(find_folder(root, ["images"]) or root / "images")
    )


KVASIR = Layout(
    name="kvasir",
    looks="images/*.jpg with masks/*.jpg of the same names",
    fits=_fits,
    read_root=_read,
    certain=_certain,
)
