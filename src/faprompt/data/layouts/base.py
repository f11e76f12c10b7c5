"""What a layout is: how to recognise a folder, and how to read it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faprompt.data.files import subfolders
from faprompt.data.layouts.names import SPLIT_NAMES
from faprompt.data.samples import Sample


def never(_: Path) -> bool:
    """For ``certain``: others lay out their folders alike, so the layout has to be named."""
    return False


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One way in which data sets are laid out on disk.

    A layout that is named finds its files in the folder given or in the one folder inside it that
    fits. Detection is stricter: a folder inside counts only if it is alone, so that a shelf of
    data sets is never mistaken for one of them.
    """

    name: str
    looks: str
    """What is looked for, to be read after "looked for"."""
    fits: Callable[[Path], bool]
    """Tells whether this very path can be read."""
    read_root: Callable[[Path], tuple[Sample, ...]]
    """Reads a path that fits."""
    certain: Callable[[Path], bool] | None = None
    """Stricter than ``fits``, for detection; None: ``fits`` is good enough."""

    def detects(self, path: Path) -> bool:
        """Tell whether ``path`` is of this layout when nobody said so."""
        certain = self.certain or self.fits
        inner = subfolders(path)
        return certain(path) or (len(inner) == 1 and _may_hold_all(inner[0]) and certain(inner[0]))

    def read(self, path: Path) -> tuple[Sample, ...]:
        """Return the test samples in a fixed order; none if nothing fits.

        Raises:
            DataError: a manifest is malformed.
        """
        if self.fits(path):
            return self.read_root(path)
        inner = [
            folder for folder in subfolders(path) if _may_hold_all(folder) and self.fits(folder)
        ]
        return self.read_root(inner[0]) if len(inner) == 1 else ()


def _may_hold_all(folder: Path) -> bool:
    """One split is not the data set: images of ``train`` are never taken for test samples."""
    return folder.name.lower() not in SPLIT_NAMES
