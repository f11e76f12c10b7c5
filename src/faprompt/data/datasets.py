"""``load_dataset``: from what the user typed to samples."""

import re
from difflib import get_close_matches
from pathlib import Path

from faprompt.data.files import is_there
from faprompt.data.layouts import DETECTED, LAYOUTS, Layout
from faprompt.data.samples import Dataset
from faprompt.errors import ConfigError, DataError
from faprompt.files import expanded

_NAMED = re.compile(r"(?P<layout>[A-Za-z][\w-]+):(?P<path>.+)", re.DOTALL)
"""Two characters at least: ``C:`` is a drive."""


def load_dataset(spec: str | Path) -> Dataset:
    """Read a data set.

    Args:
        spec: ``PATH``, whose layout is detected, or ``LAYOUT:PATH``, which names it. A path
            that exists is a path, whatever colons it has.

    Returns:
        The test samples of the data set; at least one.

    Raises:
        ConfigError: the layout is not known; the nearest name is suggested.
        DataError: the path is missing, no layout fits it, or it holds no samples.
    """
    layout, path = _parse(spec)
    if not is_there(path):
        raise DataError(f"{path}: not found; needed is a data set folder or a manifest file")
    path = path.resolve() if ".." in path.parts else path.absolute()  # links keep their names
    if layout is None:
        layout = _detect(path)
    samples = layout.read(path)
    if not samples:
        raise DataError(f"{path}: no images as layout {layout.name!r}; looked for {layout.looks}")
    name = path.stem if path.is_file() else path.name
    return Dataset(name=name, layout=layout.name, root=path, samples=samples)


def _parse(spec: str | Path) -> tuple[Layout | None, Path]:
    path = expanded(spec)
    named = _NAMED.fullmatch(str(spec))
    if named is None or isinstance(spec, Path) or is_there(path):
        return None, path
    name = named["layout"].lower()
    if name not in LAYOUTS:
        near = get_close_matches(name, LAYOUTS, n=1, cutoff=0.0)[0]
        raise ConfigError(
            f"{spec}: neither a path that exists nor LAYOUT:PATH with a known layout; did you "
            f"mean {near!r}? Known: {', '.join(LAYOUTS)}."
        )
    return LAYOUTS[name], expanded(named["path"])


def _detect(path: Path) -> Layout:
    for layout in DETECTED:
        if layout.detects(path):
            return layout
    looked = "; ".join(f"{layout.name}: {layout.looks}" for layout in DETECTED)
    raise DataError(
        f"{path}: no known layout. Name one with LAYOUT:PATH, or give the folder one level up or "
        f"down. Looked for {looked}."
    )
