"""Finding files the way real copies of data sets are: stray files, upper-case endings."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from faprompt.errors import DataError

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


def regular_file(path: Path, *, needed: str) -> os.stat_result:
    """Return what the system knows of a file.

    Args:
        path: Of a file.
        needed: In words, for the error.

    Raises:
        DataError: it is missing, a link to nothing or to itself, a folder, or a pipe or device,
            whose end would never come.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        what = "a link to a file that is not there" if path.is_symlink() else "not found"
        raise DataError(f"{path}: {what}; needed is {needed}") from None
    except (OSError, ValueError) as error:  # ValueError: no name that a file could have
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path}: cannot be read ({reason}); needed is {needed}") from None
    if stat.S_ISDIR(found.st_mode):
        raise DataError(f"{path}: is a folder{_unlisted(path)}; needed is {needed}")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(f"{path}: is a pipe, socket or device; needed is {needed}")
    return found


def _unlisted(folder: Path) -> str:
    effective = os.access in os.supports_effective_ids
    listed = os.access(folder, os.R_OK | os.X_OK, effective_ids=effective)
    return "" if listed else " that cannot be listed"


def images_in(folder: Path) -> list[Path]:
    """Return the image files directly inside ``folder``, sorted by name; none if it is missing.

    Broken links and pipes of such names are among them, so that they are reported, not passed by.

    Raises:
        DataError: the folder cannot be listed.
    """
    return [path for path in _entries(folder) if is_image(path) and not is_folder(path)]


def images_below(folder: Path, *, keep_unlisted: bool = False) -> Iterator[Path]:
    """Yield the image files inside ``folder`` and all folders below it, in a fixed order.

    Each folder once, by its first name: links may lead in circles.

    Args:
        folder: Where to look.
        keep_unlisted: Yield a folder that cannot be listed in place of what it holds.

    Raises:
        DataError: a folder cannot be listed.
    """
    yield from _images_below(folder, keep_unlisted, set())


def _images_below(folder: Path, keep: bool, seen: set[tuple[int, int]]) -> Iterator[Path]:
    if not is_folder(folder):
        return
    found = folder.stat()
    if (found.st_dev, found.st_ino) in seen:
        return
    seen.add((found.st_dev, found.st_ino))
    try:
        images, inner = images_in(folder), subfolders(folder)
    except DataError:
        if not keep:
            raise
        yield folder
        return
    yield from images
    for path in inner:
        yield from _images_below(path, keep, seen)


def subfolders(folder: Path) -> list[Path]:
    """Return the folders directly inside ``folder``, sorted by name, without stray ones.

    Raises:
        DataError: the folder cannot be listed.
    """
    return [path for path in _entries(folder) if is_folder(path) and not is_stray(path)]


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder; what the system refuses to look at is none."""
    return _refused_is_false(path.is_dir)


def is_there(path: Path) -> bool:
    """Tell whether a path exists; what the system refuses to look at does not."""
    return _refused_is_false(path.exists)


def _refused_is_false(look: Callable[[], bool]) -> bool:
    try:
        return look()
    except OSError:  # a name too long, or a folder that cannot be entered
        return False


def _entries(folder: Path) -> list[Path]:
    """What lies directly inside a folder, sorted by name; nothing if it is missing."""
    if not is_folder(folder):
        return []
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(
            f"{folder}: cannot be listed ({error.strerror or error}); needed is a readable folder"
        ) from None


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
