"""Regions against scipy's labels, outlines against a fill of their own, figures by hand."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from faprompt.detection import runs
from faprompt.detection.regions import Region, find_regions, region_mask
from faprompt.errors import ConfigError

Mask = NDArray[np.bool_]
EIGHT = np.ones((3, 3))


def values(seed: int, height: int, width: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


def filled(region: Region, shape: tuple[int, int]) -> Mask:
    """Pixels whose centre an outline encloses, by counting crossings to the left of each."""
    start, end = np.array(region.polygon[:-1]), np.array(region.polygon[1:])
    x, y = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    inside = np.zeros(shape, dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(start, end, strict=True):
        if y0 != y1:
            crosses = (y0 <= y) != (y1 <= y)
            inside ^= crosses & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) < x)
    return inside


def test_two_regions_by_hand() -> None:
    anomaly_map = np.array(
        [[0.0, 0.6, 0.7, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0, 0.9], [0.0, 0.0, 0.0, 0.0, 0.5]],
        np.float32,
    )
    first, second = find_regions(anomaly_map, 0.5, mm_per_pixel=0.2)
    assert (first.box, first.area) == ((4, 1, 1, 2), 2)
    assert (first.peak, first.mean) == pytest.approx((0.9, 0.7))
    assert first.polygon == [(4, 1), (5, 1), (5, 3), (4, 3), (4, 1)]
    assert first.area_mm2 == pytest.approx(0.08)
    assert second.polygon == [(1, 0), (3, 0), (3, 1), (2, 1), (2, 2), (1, 2), (1, 0)]
    assert second.mean == pytest.approx(0.6)


def test_pixels_that_touch_at_a_corner_are_joined_by_a_neck() -> None:
    anomaly_map = np.array([[0.9, 0], [0, 0.8]], np.float32)
    (region,) = find_regions(anomaly_map, 0.5)
    assert region.area == 2
    corners = {(0.75, 1), (1, 0.75), (1.25, 1), (1, 1.25)}
    assert corners < set(region.polygon)
    assert len(region.polygon) == 11


def test_the_threshold_itself_is_in_and_exact() -> None:
    anomaly_map = np.array([[0.1]], np.float32)  # a little more than 0.1
    assert find_regions(anomaly_map, float(anomaly_map[0, 0]))
    assert not find_regions(anomaly_map, float(np.nextafter(float(anomaly_map[0, 0]), 1)))


@settings(max_examples=100)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    threshold=st.sampled_from([0.3, 0.5, 0.7]),
)
def test_regions_are_scipy_s_and_outlines_enclose_them(
    seed: int, height: int, width: int, threshold: float
) -> None:
    anomaly_map = values(seed, height, width)
    labels, count = ndimage.label(anomaly_map >= threshold, EIGHT)
    found = find_regions(anomaly_map, threshold)
    assert len(found) == count
    key = {(float(anomaly_map[labels == i].max())): labels == i for i in range(1, count + 1)}
    for region in found:
        expected = key[region.peak]
        assert region.area == expected.sum()
        assert region.mean == pytest.approx(float(anomaly_map[expected].mean()), abs=1e-6)
        rows, columns = ndimage.find_objects(expected.astype(int))[0]
        size = (columns.stop - columns.start, rows.stop - rows.start)
        assert region.box == (columns.start, rows.start, *size)
        whole = ndimage.binary_fill_holes(expected)
        assert np.array_equal(filled(region, anomaly_map.shape), whole)
    assert [r.peak for r in found] == sorted((r.peak for r in found), reverse=True)


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), threshold=st.sampled_from([0.3, 0.6]))
def test_outlines_are_closed_and_never_touch_themselves(seed: int, threshold: float) -> None:
    for region in find_regions(values(seed, 7, 7), threshold):
        assert region.polygon[0] == region.polygon[-1]
        corners = region.polygon[:-1]
        assert len(set(corners)) == len(corners) >= 4
        edges = list(pairwise(region.polygon))
        for (i, one), (j, other) in combinations(enumerate(edges), 2):
            if j - i not in (1, len(edges) - 1):
                assert not meet(one, other), (one, other)
        turned = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges) / 2
        assert turned >= region.area  # clockwise as seen, y pointing down; holes are inside


Edge = tuple[tuple[float, float], tuple[float, float]]


def meet(one: Edge, other: Edge) -> bool:
    """Whether two line segments have a point in common; exact, as all values are quarters."""

    def side(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    (a, b), (c, d) = one, other
    boxes = all(
        max(min(a[k], b[k]), min(c[k], d[k])) <= min(max(a[k], b[k]), max(c[k], d[k]))
        for k in (0, 1)
    )
    return boxes and side(a, b, c) * side(a, b, d) <= 0 and side(c, d, a) * side(c, d, b) <= 0


def test_small_regions_are_left_out_of_list_and_mask() -> None:
    anomaly_map = values(3, 30, 40)
    labels, count = ndimage.label(anomaly_map >= 0.7, EIGHT)
    areas = ndimage.sum_labels(np.ones_like(labels), labels, range(1, count + 1))
    assert len(find_regions(anomaly_map, 0.7, min_area=3)) == (areas >= 3).sum() < count
    expected = np.isin(labels, 1 + np.flatnonzero(areas >= 3))
    assert np.array_equal(region_mask(anomaly_map, 0.7, min_area=3), expected)


def test_a_map_is_read_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    anomaly_map = values(4, 50, 20)
    whole = find_regions(anomaly_map, 0.6)
    monkeypatch.setattr(runs, "BAND_PIXELS", 60)  # three lines
    assert find_regions(anomaly_map, 0.6) == whole


def test_a_long_winding_region_is_one() -> None:
    """A spiral takes the most steps to join."""
    anomaly_map = np.zeros((41, 41), np.float32)
    x = y = 20
    dx, dy, length = 1, 0, 2
    while 0 <= x < 41 and 0 <= y < 41:
        for _ in range(length):
            if 0 <= x < 41 and 0 <= y < 41:
                anomaly_map[y, x] = 1
            x, y = x + dx, y + dy
        dx, dy = -dy, dx
        length += 1
    _, count = ndimage.label(anomaly_map, EIGHT)
    assert count == len(find_regions(anomaly_map, 0.5))


def test_shares_are_weighted_by_the_region_s_pixels_in_each_patch() -> None:
    anomaly_map = np.zeros((4, 8), np.float32)
    anomaly_map[1, 1:7] = 1  # three pixels in the upper left patch, three in the upper right one
    anomaly_map[2, 6] = 1  # one in the lower right
    shares = np.zeros((3, 2, 2), np.float32)
    shares[0, 0, 0] = shares[1, 0, 1] = shares[2, 1, 1] = shares[2, 1, 0] = 1
    (region,) = find_regions(anomaly_map, 0.5, responses=shares)
    assert dict(region.prompts) == pytest.approx({0: 3 / 7, 1: 3 / 7, 2: 1 / 7})
    assert region.prompts[-1][0] == 2


@settings(max_examples=40)
@given(seed=st.integers(0, 2**31), height=st.integers(1, 20), width=st.integers(1, 20))
def test_shares_equal_a_loop_over_pixels(seed: int, height: int, width: int) -> None:
    anomaly_map = values(seed, height, width)
    shares = np.random.default_rng(seed).dirichlet(np.ones(4), (3, 5)).transpose(2, 0, 1)
    labels, _ = ndimage.label(anomaly_map >= 0.5, EIGHT)
    for region in find_regions(anomaly_map, 0.5, responses=shares.astype(np.float32)):
        label = labels[anomaly_map == np.float32(region.peak)][0]
        pixels = [
            shares[:, int((y + 0.5) * 3 / height), int((x + 0.5) * 5 / width)]
            for y, x in np.argwhere(labels == label)
        ]
        expected = dict(enumerate(np.mean(pixels, axis=0)))
        assert dict(region.prompts) == pytest.approx(expected, abs=1e-5)
        assert sum(share for _, share in region.prompts) == pytest.approx(1, abs=1e-5)


def test_nothing_above_the_threshold_is_no_region() -> None:
    assert find_regions(np.zeros((5, 5), np.float32), 0.1) == []
    assert not region_mask(np.zeros((5, 5), np.float32), 0.1).any()


def test_plain_values_are_json_s() -> None:
    (region,) = find_regions(np.full((1, 2), 0.75, np.float32), 0.5, mm_per_pixel=0.1)
    assert region.to_dict() == {
        "polygon": [[0, 0], [2, 0], [2, 1], [0, 1], [0, 0]],
        "box": [0, 0, 2, 1],
        "area": 2,
        "area_mm2": 0.02,
        "peak": 0.75,
        "mean": 0.75,
        "prompts": [],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.0}, "pixel threshold must be above 0, got 0.0"),
        ({"threshold": float("nan")}, "pixel threshold must be above 0, got nan"),
        ({"min_area": -1}, "smallest area must be at least 0 pixels, got -1"),
        ({"mm_per_pixel": 0.0}, "millimetres per pixel must be above 0, got 0.0"),
        ({"responses": np.zeros((2, 2), np.float32)}, r"responses of shape \(2, 2\); needed is"),
        ({"anomaly_map": np.zeros(3, np.float32)}, r"map of shape \(3,\); needed is \(H, W\)"),
    ],
)
def test_settings_out_of_range_are_named(options: dict[str, object], message: str) -> None:
    given = {"anomaly_map": np.zeros((2, 2), np.float32), "threshold": 0.5} | options
    with pytest.raises(ConfigError, match=message):
        find_regions(**given)  # type: ignore[arg-type]
