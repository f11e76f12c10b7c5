"""ELPV (Deitsch et al. 2019): solar cells with a probability of being defective, without masks.

Learnt from zae-bayern/elpv-dataset: ``labels.csv`` without header, "images/cell0001.png  1.0  mono"
per line, separated by blanks (in some copies by commas). Probabilities are 0, 1/3, 2/3 and 1.

Which of them count as anomalous differs between papers: ``elpv`` takes 0 as normal and 1 as
anomalous and leaves the others out; ``elpv-half`` takes 0.5 and more as anomalous, all cells.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from faprompt.data.layouts.base import Layout, never
from faprompt.data.samples import NORMAL_TYPE, Sample
from faprompt.errors import DataError

_FILE = "labels.csv"


def _fits(path: Path) -> bool:
    return (path / _FILE).is_file() and (path / "images").is_dir()


def _certain(path: Path) -> bool:
    """The name ``labels.csv`` is anyone's; the cells' names are not."""
    return _fits(path) and any((path / "images").glob("cell[0-9]*.png"))


def _sure(probability: float) -> int | None:
    return {0.0: 0, 1.0: 1}.get(probability)


def _likelier(probability: float) -> int:
    return int(probability >= 0.5)


def _cells(root: Path) -> Iterator[tuple[Path, float, str]]:
    """Image, probability and type of silicon of every cell."""
    table = root / _FILE
    for number, line in enumerate(table.read_text(encoding="utf-8-sig").splitlines(), start=1):
        values = line.replace(",", " ").split()
        if not values or values[0].lower() == "path":
            continue
        try:
            name, probability, kind = values[0], float(values[1]), values[2]
        except (IndexError, ValueError):
            raise DataError(
                f"{table}: line {number} is {line!r}; needed are a path, a probability and a type"
            ) from None
        yield root / name, probability, kind


def _reader(label_of: Callable[[float], int | None]) -> Callable[[Path], tuple[Sample, ...]]:
    def read(root: Path) -> tuple[Sample, ...]:
        return tuple(
            Sample(
                image_path=path,
                class_name="solar_cell",
                label=label,
                anomaly_type="defective" if label else NORMAL_TYPE,
            )
            for path, probability, _ in _cells(root)
            if (label := label_of(probability)) is not None
        )

    return read


_LOOKS = "labels.csv (path, probability, type) beside images/"
ELPV = Layout(name="elpv", looks=_LOOKS, fits=_fits, read_root=_reader(_sure), certain=_certain)
ELPV_HALF = Layout(
    name="elpv-half", looks=_LOOKS, fits=_fits, read_root=_reader(_likelier), certain=never
)
