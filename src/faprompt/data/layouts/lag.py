"""LAG, glaucoma (Li et al. 2019): ``suspicious_glaucoma/image`` and ``non_glaucoma/image``.

Learnt from the authors' repository, smilell/AG-CNN. ``attention_map`` tells where doctors looked,
which is not a mask.
"""

from pathlib import Path

from faprompt.data.files import find_folder, find_nested, images_in
from faprompt.data.layouts.base import Layout
from faprompt.data.samples import NORMAL_TYPE, Sample

_FOLDERS = ("non_glaucoma", "suspicious_glaucoma")


def _read(root: Path) -> tuple[Sample, ...]:
    return tuple(
        Sample(
            image_path=path,
            class_name="fundus",
            label=label,
            anomaly_type="glaucoma" if label else NORMAL_TYPE,
        )
        for label, name in enumerate(_FOLDERS)
        for path in _images(root, name)
    )


def _images(root: Path, name: str) -> list[Path]:
    folder = find_nested(root, f"{name}/image") or find_folder(root, [name])
    return images_in(folder) if folder else []


LAG = Layout(
    name="lag",
    looks="suspicious_glaucoma/image/ and non_glaucoma/image/",
    fits=lambda path: all(find_folder(path, [name]) for name in _FOLDERS),
    read_root=_read,
)
