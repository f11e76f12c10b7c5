"""ELPV solar cells (Buerhop-Lukas et al. 2018): ``labels.csv`` with the probability of a defect.

Learnt from the authors' repository, zae-bayern/elpv-dataset: lines of path, probability (0, 1/3,
2/3, 1) and type of module, parted by spaces, without a header; no masks. Experts who were not sure
gave a probability between: ``elpv`` leaves these images out, ``elpv-half`` takes half and more for
anomalous.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faprompt.data.files import find_nested
from faprompt.data.layouts.base import Layout, never
from faprompt.data.layouts.manifest import resolve
from faprompt.data.layouts.tables import read_text
from faprompt.data.samples import ANOMALOUS_TYPE, NORMAL_TYPE, Sample
from faprompt.errors import DataError

_PLACES = (".", "data", "elpv_dataset/data", "src/elpv_dataset/data")
_HALF = 0.5


def _table(root: Path) -> Path | None:
    folders = (find_nested(root, place) for place in _PLACES)
    files = (folder / "labels.csv" for folder in folders if folder)
    return next((file for file in files if file.is_file() and _rows_start(file)), None)


def _rows_start(file: Path) -> bool:
    """Others have a ``labels.csv`` too: this one lists images in its first column."""
    with file.open("rb") as opened:
        return b"images/" in opened.read(1000).replace(b"\\", b"/")


def _rows(table: Path) -> Iterator[tuple[str, float]]:
    for number, line in enumerate(read_text(table).splitlines(), start=1):
        values = re.split(r"[\s,;]+", line.strip())
        if values == [""] or (number == 1 and "images" not in values[0]):
            continue  # empty, or a header that somebody added
        try:
            yield values[0], float(values[1])
        except (IndexError, ValueError) as error:
            raise DataError(
                f"{table}: line {number} is {line.strip()[:60]!r}; needed are path, probability "
                "and type"
            ) from error


def _certain_label(probability: float) -> int | None:
    return int(probability) if probability in (0, 1) else None


def _half_label(probability: float) -> int:
    return int(probability >= _HALF)


def _read(root: Path, *, half: bool) -> tuple[Sample, ...]:
    table = _table(root)
    assert table is not None
    label_of = _half_label if half else _certain_label
    labelled = ((path, label_of(probability)) for path, probability in _rows(table))
    return tuple(
        Sample(
            image_path=resolve(table.parent, path),
            class_name="solar_cell",
            label=label,
            anomaly_type=ANOMALOUS_TYPE if label else NORMAL_TYPE,
        )
        for path, label in labelled
        if label is not None
    )


def _fits(path: Path) -> bool:
    return _table(path) is not None


_LOOKS = "labels.csv with lines of path, probability and type"
ELPV = Layout(name="elpv", looks=_LOOKS, fits=_fits, read_root=partial(_read, half=False))
ELPV_HALF = Layout(
    name="elpv-half",
    looks=_LOOKS,
    fits=_fits,
    read_root=partial(_read, half=True),
    certain=never,
)
