"""Large images by windows: where the windows lie, and what each counts at each pixel.

Free of torch and OpenCV. Shapes: W x H the image, n windows along a direction, of side T.
"""

import math
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from faprompt.errors import ConfigError

AUTO = "auto"
OVERLAP = 0.25
SMALLEST_TILE = 16
LARGEST_OVERLAP = 0.9
DEFECT_SHARE = 16
"""``auto`` lets the smallest defect span a sixteenth of a window: about the reach of the map's blur
(sigma 10 of 518 pixels, METHOD section 6), and two patches of ViT-L/14 at 518."""
LARGEST_ZOOM = 2
"""``auto`` enlarges no pixel more than this: beyond it nothing new is to be seen."""

Floats = NDArray[np.float32]
Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiling:
    """Look at an image by overlapping windows.

    Example:
        >>> plan = Tiling(tile=518).plan((1200, 400), input_size=518)
        >>> plan.columns.starts, plan.rows.starts, plan.window
        ((0, 341, 682), (0,), (518, 400))
    """

    tile: int | None = None
    """Side of a window in pixels of the image; None decides it per image (see ``side``)."""
    overlap: float = OVERLAP
    """Share of a window's side that neighbours have in common at least, from 0 to 0.9."""
    whole: bool = False
    """Look at the whole image, too: map and score are the means of both ways of looking."""
    smallest_defect: int | None = None
    """Diameter in pixels of what has to be found; for a tile that is None."""

    def __post_init__(self) -> None:
        if self.tile is not None and self.tile < SMALLEST_TILE:
            raise ConfigError(f"tile must be at least {SMALLEST_TILE} pixels, got {self.tile}")
        if not 0 <= self.overlap <= LARGEST_OVERLAP:  # false for NaN, too
            raise ConfigError(f"overlap must lie in [0, {LARGEST_OVERLAP}], got {self.overlap}")
        if self.smallest_defect is not None and self.smallest_defect < 1:
            raise ConfigError(f"smallest_defect must be at least 1, got {self.smallest_defect}")
        if self.smallest_defect is not None and self.tile is not None:
            raise ConfigError(
                f"smallest_defect is {self.smallest_defect} and tile is {self.tile}; needed is one "
                f"of them: the defect's size decides the tile where that is {AUTO!r}"
            )

    @classmethod
    def parse(cls, text: str, **settings: Any) -> Self:
        """Read ``auto`` or a number of pixels, as in ``--tile``.

        Raises:
            ConfigError: it is neither, or a setting is out of range.

        Example:
            >>> Tiling.parse("518", overlap=0.5)
            Tiling(tile=518, overlap=0.5, whole=False, smallest_defect=None)
        """
        if text != AUTO and not text.isdecimal():
            raise ConfigError(f"tile must be {AUTO!r} or a number of pixels, got {text!r}")
        return cls(tile=None if text == AUTO else int(text), **settings)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as they are kept beside results: scores of other values do not compare."""
        return asdict(self)

    def side(self, input_size: int) -> int:
        """Side of the windows in pixels, T.

        ``auto`` takes windows as large as the model's input, so that no pixel is scaled down; or,
        where the smallest defect is known, 16 times its size, but no less than half the input.

        Args:
            input_size: S, side of the model's input.
        """
        if self.tile is not None:
            return self.tile
        if self.smallest_defect is None:
            return max(SMALLEST_TILE, input_size)
        least = max(SMALLEST_TILE, math.ceil(input_size / LARGEST_ZOOM))
        return max(least, DEFECT_SHARE * self.smallest_defect)

    def plan(self, size: Size, input_size: int) -> "Plan":
        """Where the windows of an image (width, height) lie.

        An image that is no larger than a window is one window; where it is larger in one direction
        only, the windows have its full extent in the other.
        """
        side = self.side(input_size)
        return Plan(*(Axis.spread(length, min(side, length), self.overlap) for length in size))


@dataclass(frozen=True)
class Axis:
    """Windows along one direction."""

    starts: tuple[int, ...]
    """First pixel of each."""
    side: int
    """T, their extent in pixels."""
    length: int
    """Of the image."""

    @classmethod
    def spread(cls, length: int, side: int, overlap: float) -> Self:
        """Spread windows evenly from border to border.

        No window reaches over the border, and neighbours share at least ``overlap`` of their side
        (rounded down to pixels).

        Example:
            >>> Axis.spread(100, 40, 0.25).starts
            (0, 30, 60)
        """
        step = max(1, side - math.floor(overlap * side))
        gaps = math.ceil((length - side) / step)
        starts = (round(i * (length - side) / gaps) for i in range(gaps + 1)) if gaps else [0]
        return cls(tuple(starts), side, length)

    @cached_property
    def weights(self) -> Floats:
        """What each window counts at each of its pixels: (n, T), one in sum at every pixel.

        Triangular: most in the middle of a window, where the model sees a surrounding on all
        sides, and next to nothing at its edge, so that no edge shows. Products of columns' and
        rows' weights add up to one, too.
        """
        ramp = np.arange(self.side) + 0.5
        tent = np.minimum(ramp, self.side - ramp)  # (T,)
        total = np.zeros(self.length)
        for start in self.starts:
            total[start : start + self.side] += tent
        shares = [tent / total[start : start + self.side] for start in self.starts]
        return np.array(shares, dtype=np.float32)


@dataclass(frozen=True)
class Plan:
    """The windows of one image: every column of ``columns`` with every row of ``rows``."""

    columns: Axis
    rows: Axis

    @property
    def size(self) -> Size:
        """(width, height) of the image."""
        return self.columns.length, self.rows.length

    @property
    def window(self) -> Size:
        """(width, height) of every window."""
        return self.columns.side, self.rows.side

    @property
    def count(self) -> int:
        """Number of windows."""
        return len(self.columns.starts) * len(self.rows.starts)

    def place(self, index: int) -> tuple[int, int]:
        """Row and column of a window; they are counted row by row."""
        return divmod(index, len(self.columns.starts))

    def box(self, index: int) -> tuple[int, int, int, int]:
        """left, top, right, bottom of a window."""
        row, column = self.place(index)
        left, top = self.columns.starts[column], self.rows.starts[row]
        return left, top, left + self.window[0], top + self.window[1]
