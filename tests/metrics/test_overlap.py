"""Region weights against a naive flood fill."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faprompt.metrics.overlap import region_weights


def flood(mask: np.ndarray) -> list[set[tuple[int, int]]]:
    """8-connected regions, one pixel at a time."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    regions = []
    while left:
        region, border = set(), [left.pop()]
        while border:
            y, x = border.pop()
            region.add((y, x))
            near = {(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)} & left
            left -= near
            border.extend(near)
        regions.append(region)
    return regions


@settings(max_examples=50)
@given(arrays(np.bool_, st.tuples(st.integers(1, 8), st.integers(1, 8))))
def test_every_region_weighs_one(mask: np.ndarray) -> None:
    weights, count = region_weights(mask)
    regions = flood(mask)
    naive = np.zeros(mask.shape)
    for region in regions:
        for pixel in region:
            naive[pixel] = 1 / len(region)
    assert count == len(regions)
    np.testing.assert_allclose(weights, naive[mask])


def test_diagonal_neighbours_are_one_region() -> None:
    weights, count = region_weights(np.eye(4, dtype=bool))
    assert count == 1
    assert weights == pytest.approx([0.25] * 4)


def test_a_mask_that_is_not_contiguous_is_read_right() -> None:
    mask = np.zeros((4, 6), dtype=bool)
    mask[0, :3] = mask[3, 5] = True
    weights, _ = region_weights(mask.T)
    assert sorted(weights) == pytest.approx([1 / 3, 1 / 3, 1 / 3, 1])
