"""Histograms whose bins follow the bits of a float32. Shapes: N pixels, P of them with defect.

The bits of floats of one sign, read as integers, are in the order of the floats. Dropping the
last ``LOW_BITS`` of them leaves bins of equal relative width, 2**-15: 65,536 of them from
0.25 to 1. The dropped bits name the single value inside its bin.
"""

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

LOW_BITS = 8
VALUES_PER_BIN = 1 << LOW_BITS
_BLOCK_BITS = 16
_BLOCK = 1 << _BLOCK_BITS
"""Bins by which the arrays grow: two octaves of one sign."""
_ALL_BLOCKS = 1 << (32 - LOW_BITS - _BLOCK_BITS)


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

    def grow(self, size: int) -> None:
        """Add ``size`` empty slots at the end."""
        self.pixels = np.append(self.pixels, np.zeros(size, dtype=np.int64))
        self.positives = np.append(self.positives, np.zeros(size, dtype=np.int64))
        self.overlap = np.append(self.overlap, np.zeros(size))


class Histogram:
    """Counts per bin, and whether a bin holds several values.

    Slots come in blocks of neighbouring bins, and a block comes when its first value does.
    """

    def __init__(self) -> None:
        self.counts = Counts(0)
        self.mixed = np.zeros(0, dtype=np.bool_)
        self._value = np.zeros(0, dtype=np.int16)  # low bits of one pixel of the bin; -1: none
        self._blocks = np.zeros(0, dtype=np.int64)  # which block of bins each block of slots is
        self._place = np.full(_ALL_BLOCKS, -1, dtype=np.int64)  # the other way round

    def add(
        self,
        keys: NDArray[np.uint32],
        positive: NDArray[np.bool_],
        weights: NDArray[np.float64],
    ) -> None:
        """Count pixels (N,), of which ``positive`` (N,) have ``weights`` (P,)."""
        bins, low = split_keys(keys)
        block = bins >> _BLOCK_BITS
        self._cover(block)
        slots = _joined(self._place[block], bins)
        self.counts.add(slots, positive, weights)
        known = self._value[slots]
        fresh = known < 0
        if fresh.any():
            self._value[slots[fresh]] = low[fresh]
            known = self._value[slots]
        self.mixed[slots[known != low]] = True

    def slots_of(self, bins: Ints) -> Ints:
        """Return the slots of those ``bins`` that have one."""
        place = self._place[bins >> _BLOCK_BITS]
        known: NDArray[np.bool_] = place >= 0
        return _joined(place[known], bins[known])

    def bins_of(self, slots: Ints) -> Ints:
        """Return the bins of ``slots``."""
        return _joined(self._blocks[slots >> _BLOCK_BITS], slots)

    def _cover(self, block: Ints) -> None:
        """Add the blocks that are missing."""
        seen = np.bincount(block, minlength=_ALL_BLOCKS) > 0
        missing = np.flatnonzero(seen & (self._place < 0))
        if not missing.size:
            return
        self._place[missing] = self._blocks.size + np.arange(missing.size)
        self._blocks = np.append(self._blocks, missing)
        size = missing.size * _BLOCK
        self.counts.grow(size)
        self.mixed = np.append(self.mixed, np.zeros(size, dtype=np.bool_))
        self._value = np.append(self._value, np.full(size, -1, dtype=np.int16))


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


def _joined(block: Ints, inner: Ints) -> Ints:
    """Put each item's block in front of its place inside the block."""
    joined: Ints = (block << _BLOCK_BITS) | (inner & (_BLOCK - 1))
    return joined


def split_keys(keys: NDArray[np.uint32]) -> tuple[Ints, NDArray[np.int16]]:
    """Return the bin of each key and the value's place inside it."""
    return (keys >> LOW_BITS).astype(np.int64), (keys & (VALUES_PER_BIN - 1)).astype(np.int16)
