"""From what a user typed to a list of image files."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from faprompt.data.files import images_below, is_folder
from faprompt.errors import DataError
from faprompt.files import expanded

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Listed:
    """An image file, and what to call it among the others."""

    path: Path
    name: PurePosixPath
    """Relative to the folder that was named; the file's own name where a file was named."""


def list_images(
    arguments: Iterable[str], lines: Iterable[str] = (), *, exclude: Path | None = None
) -> list[Listed]:
    """Expand files, folders (with all below), globs, and ``-`` for a list of these.

    A file that was named is listed whether it exists or not, so that it is reported as its own
    error; each file is listed once, in the order of the arguments.

    Args:
        arguments: As typed.
        lines: Paths, one each, that ``-`` stands for.
        exclude: Folder whose files are not listed: where results of an earlier run may lie.

    Raises:
        DataError: nothing at all was found.
    """
    arguments = list(arguments)
    found: dict[Path, Listed] = {}
    for argument in arguments:
        inner = (
            (line.rstrip("\r\n") for line in lines) if argument == STANDARD_INPUT else [argument]
        )
        for text in inner:
            for listed in expand(text) if text else ():
                if exclude is None or exclude not in listed.path.parents:
                    found.setdefault(listed.path, listed)
    if not found:
        raise DataError(
            f"{', '.join(arguments)}: no images found; needed are image files or folders"
        )
    return list(found.values())


def expand(text: str) -> Iterator[Listed]:
    """Files that one file, folder or glob stands for; a named file may be missing."""
    path = expanded(text)
    if is_folder(path):
        for image in images_below(path, keep_unlisted=True):
            yield Listed(image, PurePosixPath(image.relative_to(path).as_posix()))
    elif not os.path.lexists(path) and glob.has_magic(text):
        for match in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 (absolute patterns)
            yield from _expand_match(Path(match))
    else:
        yield Listed(path, PurePosixPath(path.name))


def _expand_match(path: Path) -> Iterator[Listed]:
    if is_folder(path):
        for image in images_below(path, keep_unlisted=True):
            relative = image.relative_to(path.parent)
            yield Listed(image, PurePosixPath(relative.as_posix()))
    else:
        yield Listed(path, PurePosixPath(path.name))
