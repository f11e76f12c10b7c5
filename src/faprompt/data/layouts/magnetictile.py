"""Magnetic tile defects (Huang, Qiu, Yuan 2018): ``MT_<type>/Imgs`` with .jpg and .png masks.

Learnt from the authors' repository, abin24/Magnetic-tile-defect-datasets. One class; the masks
are anti-aliased.
"""

from pathlib import Path

from faprompt.data.files import find_folder, images_in, subfolders
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, Sample

_PREFIX = "mt_"
_NORMAL = "free"


def _image_folders(root: Path) -> dict[str, Path]:
    """Type of defect to the folder with its images."""
    folders = {
        folder.name[len(_PREFIX) :].lower(): find_folder(folder, ["imgs"])
        for folder in subfolders(root)
        if folder.name.lower().startswith(_PREFIX)
    }
    return {kind: folder for kind, folder in folders.items() if folder}


def _read(root: Path) -> tuple[Sample, ...]:
    folders = _image_folders(root).items()
    return tuple(sample for kind, folder in folders for sample in _read_type(folder, kind))


def _read_type(folder: Path, kind: str) -> list[Sample]:
    files = images_in(folder)
    masks = {path.stem: path for path in files if path.suffix.lower() == ".png"}
    return [
        Sample(
            image_path=path,
            class_name="magnetic_tile",
            label=int(kind != _NORMAL),
            anomaly_type=NORMAL_TYPE if kind == _NORMAL else kind,
            mask_path=masks.get(path.stem),
            mask_rule="above127",
        )
        for path in files
        if path.suffix.lower() in {".jpg", ".jpeg"}
    ]


MAGNETICTILE = Layout(
    name="magnetictile",
    looks="MT_<type>/Imgs/*.jpg with masks of the same name as .png",
    fits=lambda path: bool(_image_folders(path)),
    read_root=_read,
)
