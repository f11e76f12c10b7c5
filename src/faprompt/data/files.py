"""Finding files the way real copies of data sets are: stray files, upper-case endings."""

from collections.abc import Iterable, Iterator
from pathlib import Path

_SUFFIXES = ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .gif .ppm .pgm .pbm .pnm .jp2"
IMAGE_SUFFIXES = frozenset(_SUFFIXES.split())
"""Endings taken for images, in lower case."""
_STRAY_NAMES = frozenset({"thumbs.db", "desktop.ini", "__macosx", "$recycle.bin"})
MASK_ENDINGS = ("", "_mask", "-mask", "_gt", "_label", "_seg", "_segmentation")
"""What may follow the image's stem in the name of its mask; the plain stem comes first."""

MaskIndex = dict[str, Path]
"""Mask files by lower-case stem."""


def is_stray(path: Path) -> bool:
    """Tell whether an operating system left this: ``.DS_Store``, ``._x.png``, ``Thumbs.db``."""
    return path.name.startswith(".") or path.name.lower() in _STRAY_NAMES


def is_image(path: Path) -> bool:
    """Tell by the name whether a path is an image file."""
    return path.suffix.lower() in IMAGE_SUFFIXES and not is_stray(path)


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly inside ``folder``, sorted by name; none if it is missing."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if is_image(path) and path.is_file())


def images_below(folder: Path) -> Iterator[Path]:
    """Yield the image files inside ``folder`` and all folders below it, in a fixed order."""
    yield from images_in(folder)
    for inner in subfolders(folder):
        yield from images_below(inner)


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly inside ``folder``, sorted by name, without stray ones."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_stray(path))


def find_folder(folder: Path, names: Iterable[str]) -> Path | None:
    """Return the first folder inside ``folder`` with one of ``names``, in any case."""
    found = {path.name.lower(): path for path in subfolders(folder)}
    return next((found[name] for name in names if name in found), None)


def find_nested(folder: Path, place: str) -> Path | None:
    """Return the folder at ``place`` (lower case, parts parted by ``/``), in any case.

    ``.`` is the folder itself.
    """
    found: Path | None = folder
    for part in place.split("/"):
        if found is not None and part != ".":
            found = find_folder(found, [part])
    return found


def index_masks(folder: Path | None) -> MaskIndex:
    """Index the mask files directly inside ``folder``."""
    return {path.stem.lower(): path for path in images_in(folder)} if folder else {}


def find_mask(masks: MaskIndex, stem: str) -> Path | None:
    """Return the mask of the image called ``stem``: same stem, or one of ``MASK_ENDINGS``."""
    names = (stem.lower() + ending for ending in MASK_ENDINGS)
    return next((masks[name] for name in names if name in masks), None)
