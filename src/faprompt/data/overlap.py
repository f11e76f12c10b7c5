"""Images that an auxiliary and a target set share: by content, and by how they look.

Shapes: N, M images of either side.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from faprompt.data.hashing import content_hash
from faprompt.data.images import open_image
from faprompt.data.loading import map_ordered
from faprompt.data.samples import Dataset
from faprompt.errors import FAPromptError

Kind = Literal["content", "perceptual"]

SIDE = 8
"""Differences are taken on a grid of this side, once along rows and once along columns."""
MAX_BITS = 10
"""Of the 128 bits of a look, so many may differ. Measured on 600 photographs: copies scaled to 43 %
and saved as JPEG of quality 50 differ by 2 bits (median; 8 at the 99th of 100), the nearest other
photograph by 42 (19 at the 1st of 100). Parts that a fixed camera takes alike, as when one product
is in both sets, come close, too: a finding is to be looked at, not proof."""
LEAST_CONTRAST = 4.0
"""Grey values of deviation below which an image looks like any other plain one, and is left out."""
ROWS = 1024  # compared at once with all of the other side


@dataclass(frozen=True, slots=True)
class Pair:
    """The same image on both sides."""

    auxiliary: Path
    target: Path
    kind: Kind
    """``content``: the same bytes; ``perceptual``: nearly the same look."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """What was found."""

    pairs: tuple[Pair, ...]
    """In the order of the target's images; of an image each kind at most once."""
    unreadable: tuple[Path, ...]
    """Files that could not be compared."""


@dataclass(frozen=True, slots=True)
class _Look:
    path: Path
    content: str
    bits: NDArray[np.uint64] | None
    """(2,); None for an image too plain to be told from others."""


def find_overlap(auxiliary: Sequence[Dataset], target: Dataset, *, workers: int = 2) -> Overlap:
    """Find images of the target that were also in the auxiliary sets.

    Args:
        auxiliary: What prompts were learned on.
        target: What they are evaluated on.
        workers: Reading threads.
    """
    lost: list[Path] = []
    mine = list(_looks([p for d in auxiliary for p in _paths(d)], lost, workers))
    theirs = list(_looks(_paths(target), lost, workers))
    return Overlap((*_same_content(mine, theirs), *_same_look(mine, theirs)), tuple(lost))


def _paths(dataset: Dataset) -> list[Path]:
    return list(dict.fromkeys(sample.image_path for sample in dataset.samples))


def _looks(paths: list[Path], lost: list[Path], workers: int) -> Iterator[_Look]:
    for path, result in map_ordered(_look, paths, workers=workers):
        if isinstance(result, FAPromptError):
            lost.append(path)
        else:
            yield result


def _look(path: Path) -> _Look:
    return _Look(path, content_hash(path), difference_hash(open_image(path)))


def difference_hash(image: Image.Image) -> NDArray[np.uint64] | None:
    """128 bits of an image's look: where brightness rises, along rows and along columns.

    Returns:
        Two words (2,), or None for an image too plain for them to mean anything.
    """
    grey = image.convert("L").resize((SIDE + 1, SIDE + 1), Image.Resampling.BOX)
    values = np.asarray(grey, dtype=np.float64)
    if values.std() < LEAST_CONTRAST:
        return None
    rows = values[:SIDE, 1:] > values[:SIDE, :-1]
    columns = values[1:, :SIDE] > values[:-1, :SIDE]
    bits = np.stack([rows.ravel(), columns.ravel()])
    packed = np.packbits(bits, axis=1)
    return np.ascontiguousarray(packed).view(np.uint64)[:, 0]


def _same_content(mine: Sequence[_Look], theirs: Sequence[_Look]) -> Iterator[Pair]:
    known = {look.content: look.path for look in reversed(mine)}
    for look in theirs:
        if look.content in known:
            yield Pair(known[look.content], look.path, "content")


def _same_look(mine: Sequence[_Look], theirs: Sequence[_Look]) -> Iterator[Pair]:
    """The nearest look of each target image, where it is near and not the same file anyway."""
    contents = {look.content for look in mine}
    left = [look for look in mine if look.bits is not None]
    right = [x for x in theirs if x.bits is not None and x.content not in contents]
    if not left or not right:
        return
    table = np.stack([look.bits for look in left if look.bits is not None])  # (N, 2)
    for first in range(0, len(right), ROWS):
        group = right[first : first + ROWS]
        asked = np.stack([look.bits for look in group if look.bits is not None])  # (M, 2)
        distance = np.zeros((len(asked), len(table)), dtype=np.uint8)
        for word in range(2):
            distance += np.bitwise_count(asked[:, None, word] ^ table[None, :, word])
        nearest = distance.argmin(axis=1).tolist()
        for row, (look, index) in enumerate(zip(group, nearest, strict=True)):
            if distance[row, index] <= MAX_BITS:
                yield Pair(left[index].path, look.path, "perceptual")
