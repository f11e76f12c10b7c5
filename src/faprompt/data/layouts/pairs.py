"""Sets of anomalous images alone, in one folder, with their masks in another.

Learnt from the publishers' archives:

* CVC-ColonDB (Bernal et al. 2012) and EndoTect (Hicks et al. 2021): ``images/`` beside ``masks/``.
* CVC-ClinicDB (Bernal et al. 2015, polyp.grand-challenge.org): ``Original/`` beside
  ``Ground Truth/``; Kaggle's copy has them once as ``PNG/`` and once as ``TIF/``.
* Kvasir-SEG (Jha et al. 2020, datasets.simula.no/kvasir-seg): JPEG ``masks/``.
* ISIC 2016 (Gutman et al. 2016, challenge.isic-archive.com): task 1, the test part, masks called
  ``<image>_Segmentation.png``. The training part is not read.
* TN3K (Gong et al. 2021, haifangong/TRFE-Net-for-thyroid-nodule-segmentation): ``test-image/``
  beside ``test-mask/``.

Masks are grey or JPEG, never exactly black and white: the upper half of the range is the defect.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from faprompt.data.files import find_folder, find_mask, images_in, index_masks
from faprompt.data.layouts.base import Layout, never
from faprompt.data.samples import Sample

Folders = tuple[Path, Path]
"""Of images and of masks."""


def _found(root: Path, images: Sequence[str], masks: Sequence[str]) -> Folders | None:
    image_folder, mask_folder = find_folder(root, images), find_folder(root, masks)
    return (image_folder, mask_folder) if image_folder and mask_folder else None


def _layout(
    name: str,
    *,
    names: tuple[Sequence[str], Sequence[str]],
    anomaly: tuple[str, str],
    certain: Callable[[Path], bool] = never,
) -> Layout:
    """A layout of this kind.

    Args:
        name: Of the layout.
        names: Of the folder of images and of that of masks, in lower case, likeliest first.
        anomaly: Class and type of all samples.
        certain: Whether a folder is surely of this layout.
    """
    images, masks = names

    def read(root: Path) -> tuple[Sample, ...]:
        folders = _found(root, images, masks)
        return _samples(folders, anomaly) if folders else ()

    return Layout(
        name=name,
        looks=f"{images[0]}/ with images beside {masks[0]}/ with masks of the same names",
        fits=lambda path: _found(path, images, masks) is not None,
        read_root=read,
        certain=certain,
    )


def _samples(folders: Folders, anomaly: tuple[str, str]) -> tuple[Sample, ...]:
    image_folder, mask_folder = folders
    masks = index_masks(mask_folder)
    return tuple(
        Sample(
            image_path=path,
            class_name=anomaly[0],
            label=1,
            anomaly_type=anomaly[1],
            mask_path=find_mask(masks, path.stem),
            mask_rule="above127",
        )
        for path in images_in(image_folder)
    )


def _jpeg_masks(root: Path) -> bool:
    """Images beside masks may be anything; hardly anyone else stores masks as JPEG."""
    folders = _found(root, ["images"], ["masks"])
    masks = images_in(folders[1]) if folders else []
    return bool(masks) and all(path.suffix.lower() == ".jpg" for path in masks)


_PLAIN = (("images", "image"), ("masks", "mask"))
_ISIC = "isbi2016_isic_part1_test_"
_POLYP = ("colon", "polyp")

COLONDB = _layout("colondb", names=_PLAIN, anomaly=_POLYP)
CLINICDB = _layout(
    "clinicdb",
    names=(("original", "images"), ("ground truth", "ground_truth", "masks")),
    anomaly=_POLYP,
)
ENDO = _layout("endo", names=_PLAIN, anomaly=_POLYP)
KVASIR = _layout("kvasir", names=_PLAIN, anomaly=_POLYP, certain=_jpeg_masks)
ISIC = _layout(
    "isic",
    names=((f"{_ISIC}data", f"{_ISIC}images"), (f"{_ISIC}groundtruth", f"{_ISIC}masks")),
    anomaly=("skin", "lesion"),
    certain=lambda path: _found(path, [f"{_ISIC}data"], [f"{_ISIC}groundtruth"]) is not None,
)
TN3K = _layout(
    "tn3k",
    names=(("test-image",), ("test-mask",)),
    anomaly=("thyroid", "nodule"),
    certain=lambda path: _found(path, ["test-image"], ["test-mask"]) is not None,
)
