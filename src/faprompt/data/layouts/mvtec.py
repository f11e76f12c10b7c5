"""The layout of MVTec AD: ``test/<type>`` and ``ground_truth/<type>``, per class.

Learnt from MVTec AD (Bergmann et al. 2019, mvtec.com). Only the test split is read: the normal
images of ``train`` are not test samples. BSData's copies have one class, without a class folder.

The same layout, to be named: MPDD (Jezek et al. 2021, repository stepanje/MPDD), BTAD (Mishra et
al. 2021, repository pankajmishra000/VT-ADL: types ``ok`` and ``ko``, classes 01 to 03) and
DTD-Synthetic (Aota et al., WACV 2023: 12 textures).
"""

from dataclasses import replace
from pathlib import Path

from faprompt.data.files import (
    find_folder,
    find_mask,
    images_in,
    index_masks,
    subfolders,
)
from faprompt.data.layouts.base import Layout, never
from faprompt.data.layouts.names import NORMAL_NAMES
from faprompt.data.samples import NORMAL_TYPE, Sample

_LOOKS = "test/<type>/ with images (type good is normal), in the folder or in class folders"


_TRUTH = ("ground_truth", "groundtruth")


def _is_class(folder: Path) -> bool:
    test = find_folder(folder, ["test"])
    return test is not None and any(images_in(inner) for inner in subfolders(test))


def _class_folders(root: Path) -> list[Path]:
    if _is_class(root):
        return [root]
    if root.name.lower() == "test" and find_folder(root.parent, _TRUTH):
        return _class_folders(root.parent)  # given one folder too deep
    return [folder for folder in subfolders(root) if _is_class(folder)]


def _fits(path: Path) -> bool:
    return bool(_class_folders(path))


def _certain(path: Path) -> bool:
    """Either one class, or a folder in which every folder is a class."""
    classes = _class_folders(path)
    several = any(folder.parent == path for folder in classes)
    return bool(classes) and (not several or classes == subfolders(path))


def _read(root: Path) -> tuple[Sample, ...]:
    samples = [s for folder in _class_folders(root) for s in read_class(folder, folder.name)]
    return tuple(samples)


def read_class(folder: Path, class_name: str) -> list[Sample]:
    """Read the test split of one class folder."""
    test = find_folder(folder, ["test"])
    truth = find_folder(folder, _TRUTH)
    return [
        sample
        for inner in (subfolders(test) if test else [])
        for sample in _read_type(inner, truth, class_name)
    ]


def _read_type(folder: Path, truth: Path | None, class_name: str) -> list[Sample]:
    normal = folder.name.lower() in NORMAL_NAMES
    masks = index_masks(truth and find_folder(truth, [folder.name.lower()]))
    return [
        Sample(
            image_path=path,
            class_name=class_name,
            label=0 if normal else 1,
            anomaly_type=NORMAL_TYPE if normal else folder.name,
            mask_path=find_mask(masks, path.stem),
        )
        for path in images_in(folder)
    ]


def _is_bsdata(path: Path) -> bool:
    test = find_folder(path, ["test"])
    return _is_class(path) and test is not None and find_folder(test, ["pitting"]) is not None


MVTEC = Layout(name="mvtec", looks=_LOOKS, fits=_fits, read_root=_read, certain=_certain)
BSDATA = Layout(
    name="bsdata",
    looks="test/good/ and test/pitting/ with images (Schlagenhauf 2021, in MVTec's layout)",
    fits=_is_bsdata,
    read_root=lambda path: tuple(read_class(path, "ball_screw")),
)
MPDD = replace(
    MVTEC, name="mpdd", looks="<class>/test/<type>/ with images (MVTec's layout)", certain=never
)
BTAD = replace(MVTEC, name="btad", looks="<class>/test/ok/ and <class>/test/ko/", certain=never)
DTD = replace(
    MVTEC, name="dtd", looks="<texture>/test/<type>/ with images (MVTec's layout)", certain=never
)
