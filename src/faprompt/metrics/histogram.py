"""Histograms whose bins follow the bits of a float32. Shapes: N pixels, P of them with defect.

The bits of floats of one sign, read as integers, are in the order of the floats. Dropping the
last ``LOW_BITS`` of them leaves bins of equal relative width, 2**-13, about a million over
[0, 1]; the dropped bits name the single value inside its bin.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LOW_BITS = 10
VALUES_PER_BIN = 1 << LOW_BITS
_BLOCK = 1 << 16
"""Bins by which the arrays grow."""


def float_keys(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Map finite floats to integers of the same order; 0.0 and -0.0 are equal.

    Example:
        >>> float_keys(np.array([-1.5, -0.0, 0.0, 2.0], dtype=np.float32)).argsort()
        array([0, 1, 2, 3])
    """
    bits = (values + np.float32(0)).view(np.uint32)  # -0.0 + 0.0 is 0.0
    sign = np.uint32(1 << 31)
    return np.where(bits & sign, ~bits, bits | sign)


class Counts:
    """Pixels, defect pixels and their region weights per slot."""

    def __init__(self, size: int) -> None:
        self.pixels = np.zeros(size, dtype=np.int64)
        self.positives = np.zeros(size, dtype=np.int64)
        self.overlap = np.zeros(size)

    def add(self, slots: Ints, positive: NDArray[np.bool_], weights: NDArray[np.float64]) -> None:
        """Count pixels (N,), of which ``positive`` (N,) have ``weights`` (P,)."""
        np.add.at(self.pixels, slots, 1)
        if weights.size:
            np.add.at(self.positives, slots[positive], 1)
            np.add.at(self.overlap, slots[positive], weights)

    def copy_to(self, other: "Counts", offset: int) -> None:
        """Write everything into a larger ``other``, from ``offset`` on."""
        inside = slice(offset, offset + self.pixels.size)
        other.pixels[inside] = self.pixels
        other.positives[inside] = self.positives
        other.overlap[inside] = self.overlap


class Histogram:
    """Counts per bin over the range that occurs, and whether a bin holds several values."""

    def __init__(self) -> None:
        self.first = 0
        self.counts = Counts(0)
        self.mixed = np.zeros(0, dtype=np.bool_)
        self._value = np.zeros(0, dtype=np.int16)  # low bits of one pixel of the bin; -1: none

    def add(
        self,
        keys: NDArray[np.uint32],
        positive: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> None:
        """Count pixels (N,), of which ``positive`` (N,) have ``weights`` (P,)."""
        bins, low = split_keys(keys)
        self._cover(int(bins.min()), int(bins.max()))
        slots = bins - self.first
        self.counts.add(slots, positive, weights)
        known = self._value[slots]
        fresh = slots[known < 0]
        if fresh.size:
            self._value[fresh] = low[known < 0]
            known = self._value[slots]
        self.mixed[slots[known != low]] = True

    def _cover(self, low: int, high: int) -> None:
        """Grow to bins ``low`` to ``high``, in whole blocks."""
        size = self.mixed.size
        if size:
            low, high = min(low, self.first), max(high, self.first + size - 1)
        first = low // _BLOCK * _BLOCK
        needed = (high // _BLOCK + 1) * _BLOCK - first
        if size == needed:
            return
        offset = self.first - first if size else 0
        counts = Counts(needed)
        self.counts.copy_to(counts, offset)
        mixed, value = np.zeros(needed, dtype=np.bool_), np.full(needed, -1, dtype=np.int16)
        mixed[offset : offset + size] = self.mixed
        value[offset : offset + size] = self._value
        self.first, self.counts, self.mixed, self._value = first, counts, mixed, value


class SplitBins:
    """Counts per single float value for a few chosen bins."""

    def __init__(self, bins: Ints) -> None:
        self.bins = np.unique(bins)
        self.counts = Counts(self.bins.size * VALUES_PER_BIN)
        self._first = int(self.bins[0]) if self.bins.size else 0
        reach = int(self.bins[-1]) - self._first + 1 if self.bins.size else 0
        self._place = np.full(reach, -1, dtype=np.int32)  # bin to its index in ``bins``
        self._place[self.bins - self._first] = np.arange(self.bins.size)

    def add(
        self,
        keys: NDArray[np.uint32],
        positive: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> None:
        """Count those pixels (N,) that lie in the chosen bins."""
        bins, low = split_keys(keys)
        slots = bins - self._first
        inside = (slots >= 0) & (slots < self._place.size)
        inside[inside] = self._place[slots[inside]] >= 0
        place = self._place[slots[inside]].astype(np.int64)
        self.counts.add(
            place * VALUES_PER_BIN + low[inside], positive[inside], weights[inside[positive]]
        )


def split_keys(keys: NDArray[np.uint32]) -> tuple[Ints, NDArray[np.int16]]:
    """Return the bin of each key and the value's place inside it."""
    return (keys >> LOW_BITS).astype(np.int64), (keys & (VALUES_PER_BIN - 1)).astype(np.int16)
