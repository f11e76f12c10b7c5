"""Lesions: a folder of images beside a folder of masks, every image anomalous.

Where each layout was learnt stands beside it.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from faprompt.data.files import find_mask, find_nested, images_in, index_masks
from faprompt.data.layouts.base import Layout, never
from faprompt.data.samples import Sample

Places = tuple[tuple[str, str], ...]
"""Folders of images and of masks, lower case, that copies of a data set have; the first wins."""

_IMAGES = "images/ and masks/ with files of the same names"


def pairs_layout(
    name: str,
    *,
    looks: str,
    places: Places,
    of: tuple[str, str],
    certain: Callable[[Path], bool] = never,
) -> Layout:
    """Make the layout of a data set of lesions.

    The masks are JPEG or anti-aliased, as those of all such sets are.

    Args:
        name: Of the layout.
        looks: As ``Layout.looks``.
        places: Where the images and masks lie.
        of: Class and type of anomaly.
        certain: As ``Layout.certain``.
    """

    def read(root: Path) -> tuple[Sample, ...]:
        found = find_pair(root, places)
        return _read(*found, of) if found else ()

    return Layout(
        name=name,
        looks=looks,
        fits=lambda path: find_pair(path, places) is not None,
        read_root=read,
        certain=certain,
    )


def find_pair(root: Path, places: Places) -> tuple[Path, Path] | None:
    """Return the folders of images and of masks; None if ``root`` has no such pair."""
    for images, masks in places:
        found = find_nested(root, images), find_nested(root, masks)
        if found[0] and found[1]:
            return found[0], found[1]
    return None


def _read(images: Path, masks: Path, of: tuple[str, str]) -> tuple[Sample, ...]:
    index = index_masks(masks)
    return tuple(
        Sample(
            image_path=path,
            class_name=of[0],
            label=1,
            anomaly_type=of[1],
            mask_path=find_mask(index, path.stem),
            mask_rule="above127",
        )
        for path in images_in(images)
    )


def _under(names: Iterable[str], images: str, masks: str) -> Places:
    return tuple((f"{name}/{images}", f"{name}/{masks}") for name in names)


# The 380 images of the comparisons come with PraNet's test sets (repository DengPingFan/PraNet),
# TestDataset/CVC-ColonDB/{images,masks}; the first release (Bernal et al. 2012) has 300.
COLONDB = pairs_layout(
    "colondb",
    looks=f"{_IMAGES}, also in CVC-ColonDB/",
    places=_under((".", "cvc-colondb"), "images", "masks"),
    of=("colon", "polyp"),
)

# Original/ and Ground Truth/ of TIFF files (Bernal et al. 2015, polyp.grand-challenge.org);
# Kaggle's copy has both as PNG and as TIF. PraNet's copy has images/ and masks/.
CLINICDB = pairs_layout(
    "clinicdb",
    looks="Original/ and 'Ground Truth'/ (also in PNG/ or TIF/), or images/ and masks/",
    places=(
        *_under((".", "png", "tif", "cvc-clinicdb"), "original", "ground truth"),
        *_under((".", "cvc-clinicdb"), "images", "masks"),
    ),
    of=("colon", "polyp"),
)

# Test set of the EndoTect challenge (Hicks et al. 2021, endotect.com).
ENDO = pairs_layout("endo", looks=_IMAGES, places=(("images", "masks"),), of=("colon", "polyp"))

# Test part of task 1 of ISIC 2016 (Gutman et al. 2016, challenge.isic-archive.com); the training
# part beside it is not read. Masks are called <image>_Segmentation.png.
ISIC = pairs_layout(
    "isic",
    looks="ISBI2016_ISIC_Part1_Test_Data/ and ISBI2016_ISIC_Part1_Test_GroundTruth/",
    places=(("isbi2016_isic_part1_test_data", "isbi2016_isic_part1_test_groundtruth"),),
    of=("skin", "lesion"),
)

# Gong et al. 2021, repository haifangong/TRFE-Net-for-thyroid-nodule-segmentation; trainval-image/
# is not read. The archive is called 'Thyroid Dataset' and has tn3k/ beside other sets.
TN3K = pairs_layout(
    "tn3k",
    looks="test-image/ and test-mask/, also in tn3k/",
    places=_under((".", "tn3k", "thyroid dataset/tn3k"), "test-image", "test-mask"),
    of=("thyroid", "nodule"),
)
