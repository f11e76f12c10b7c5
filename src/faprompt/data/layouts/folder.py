"""Folders anyone may make: plain images, normal and anomalous folders, with or without masks.

In this order, whatever fits first:

1. label folders (``good`` and ``bad``, ``ok`` and ``NG``, ``no`` and ``yes``, ...); beside a normal
   folder, folders of other names are types of anomaly. Masks lie in ``masks`` (or another name of
   ``MASK_FOLDERS``), laid out like the images or flat, or beside the image as ``<stem>_mask``.
2. class folders, each with label folders.
3. ``images/`` beside ``masks/``: masks known, labels unknown.
4. images alone: nothing known.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from faprompt.data.files import (
    MASK_ENDINGS,
    MaskIndex,
    find_folder,
    find_mask,
    images_below,
    images_in,
    index_masks,
    subfolders,
)
from faprompt.data.layouts.base import Layout
from faprompt.data.layouts.names import MASK_FOLDERS, SPLIT_NAMES, label_of
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample

logger = logging.getLogger(__name__)


def _fits(path: Path) -> bool:
    return bool(_label_folders(path) or _class_folders(path) or images_in(_image_folder(path)))


def _certain(path: Path) -> bool:
    """Detected class folders are all that there is: a shelf of data sets is not a data set."""
    if _label_folders(path) or images_in(_image_folder(path)):
        return True
    classes = _class_folders(path)
    return bool(classes) and classes == subfolders(path)


def _read(root: Path) -> tuple[Sample, ...]:
    if _label_folders(root):
        return tuple(_read_labelled(root))
    if classes := _class_folders(root):
        return tuple(sample for folder in classes for sample in _read_labelled(folder))
    return tuple(_read_plain(root))


def _label_folders(root: Path) -> dict[Path, int]:
    """Folders of normal and of anomalous images, and their labels."""
    folders = [f for f in subfolders(root) if f.name.lower() not in {*MASK_FOLDERS, *SPLIT_NAMES}]
    labels = {folder: label_of(folder.name) for folder in folders}
    if 0 in labels.values():
        labels = {folder: 1 if label is None else label for folder, label in labels.items()}
    return {f: label for f, label in labels.items() if label is not None and _has_images(f)}


def _has_images(folder: Path) -> bool:
    return next(images_below(folder), None) is not None


def _class_folders(root: Path) -> list[Path]:
    folders = [f for f in subfolders(root) if f.name.lower() not in SPLIT_NAMES]
    return [folder for folder in folders if _label_folders(folder)]


def _image_folder(root: Path) -> Path:
    """Return ``images`` where it lies beside masks, else the folder itself."""
    images = find_folder(root, ["images", "imgs"])
    return images if images and find_folder(root, MASK_FOLDERS) else root


def _read_plain(root: Path) -> Iterator[Sample]:
    folder = _image_folder(root)
    masks = index_masks(find_folder(root, MASK_FOLDERS))
    beside = index_masks(folder)
    for path in _without_masks(images_in(folder)):
        mask = find_mask(masks, path.stem) or _mask_beside(beside, path)
        yield Sample(image_path=path, class_name=root.name, label=None, mask_path=mask)


def _read_labelled(root: Path) -> Iterator[Sample]:
    if loose := _without_masks(images_in(root)):
        logger.warning("%s: %d images outside the label folders are left out", root, len(loose))
    labels = _label_folders(root)
    images = {folder: _without_masks(list(images_below(folder))) for folder in labels}
    find = _MaskFinder(
        root, [p for folder, paths in images.items() if labels[folder] for p in paths]
    )
    for folder, paths in images.items():
        for path in paths:
            yield Sample(
                image_path=path,
                class_name=root.name,
                label=labels[folder],
                anomaly_type=_type(folder, path) if labels[folder] else NORMAL_TYPE,
                mask_path=find(path) if labels[folder] else None,
            )


def _type(folder: Path, image: Path) -> str:
    """Name the kind of defect: ``bad/scratch/1.png`` and ``scratch/1.png`` are scratches."""
    inner = image.relative_to(folder).parts[:-1]
    if inner:
        return inner[0]
    return ANOMALOUS_TYPE if label_of(folder.name) else folder.name


class _MaskFinder:
    """Finds the masks of anomalous images, listing every folder once.

    Places, in order: the folders of the image repeated inside the mask folder, with and without
    the first (``bad``); the mask folder itself, if no other image has this stem; beside the image.
    """

    def __init__(self, root: Path, images: list[Path]) -> None:
        self._root = root
        self._truth = find_folder(root, MASK_FOLDERS)
        self._stems = Counter(path.stem.lower() for path in images)
        self._index = cache(index_masks)

    def __call__(self, image: Path) -> Path | None:
        if self._truth:
            for place in self._places(self._truth, image):
                if mask := find_mask(self._index(place), image.stem):
                    return mask
        return _mask_beside(self._index(image.parent), image)

    def _places(self, truth: Path, image: Path) -> Iterator[Path]:
        inner = image.relative_to(self._root).parent.parts
        yield truth.joinpath(*inner)
        if inner[1:]:
            yield truth.joinpath(*inner[1:])
        if self._stems[image.stem.lower()] == 1:
            yield truth


def _mask_beside(masks: MaskIndex, image: Path) -> Path | None:
    names = (image.stem.lower() + ending for ending in MASK_ENDINGS if ending)
    return next((masks[name] for name in names if name in masks), None)


def _without_masks(paths: list[Path]) -> list[Path]:
    """Drop files such as ``1_mask.png`` that lie beside ``1.png``."""
    stems = {(path.parent, path.stem.lower()) for path in paths}
    masks = {(folder, stem + end) for folder, stem in stems for end in MASK_ENDINGS if end}
    return [path for path in paths if (path.parent, path.stem.lower()) not in masks]


FOLDER = Layout(
    name="folder",
    looks="images, or folders such as good/ and bad/, in the folder or in class folders",
    fits=_fits,
    read_root=_read,
    certain=_certain,
)
