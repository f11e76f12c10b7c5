"""Where windows lie and what they count: every pixel, one in sum, no seam."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from faprompt.detection.merging import Merger, ResponseMerger
from faprompt.detection.tiling import Axis, Tiling
from faprompt.errors import ConfigError

OVERLAPS = st.floats(0, 0.9)


@given(length=st.integers(1, 700), tile=st.integers(16, 300), overlap=OVERLAPS)
def test_every_pixel_is_covered_and_weights_add_up_to_one(
    length: int, tile: int, overlap: float
) -> None:
    axis = Axis.spread(length, min(tile, length), overlap)
    total = np.zeros(length)
    for start, weights in zip(axis.starts, axis.weights, strict=True):
        assert 0 <= start <= length - axis.side
        assert (weights > 0).all()
        total[start : start + axis.side] += weights
    np.testing.assert_allclose(total, 1, atol=1e-6)


@given(length=st.integers(1, 5000), tile=st.integers(16, 600), overlap=OVERLAPS)
def test_neighbours_share_what_was_asked_for_and_no_window_is_superfluous(
    length: int, tile: int, overlap: float
) -> None:
    side = min(tile, length)
    starts = Axis.spread(length, side, overlap).starts
    shared = int(overlap * side)
    gaps = np.diff(starts)
    assert (starts[0], starts[-1]) == (0, length - side)
    assert (gaps >= 1).all()
    assert (gaps <= max(1, side - shared)).all()
    if len(starts) > 2:  # one window less could not do it
        assert (len(starts) - 2) * max(1, side - shared) < length - side


@pytest.mark.parametrize(
    ("size", "windows", "window"),
    [
        ((518, 518), 1, (518, 518)),
        ((300, 200), 1, (300, 200)),
        ((519, 518), 2, (518, 518)),
        ((1200, 400), 3, (518, 400)),
        ((20000, 20000), 52 * 52, (518, 518)),
    ],
)
def test_plan_of_an_image(size: tuple[int, int], windows: int, window: tuple[int, int]) -> None:
    plan = Tiling(tile=518).plan(size, 256)
    assert (plan.count, plan.window, plan.size) == (windows, window, size)


def test_windows_are_counted_row_by_row() -> None:
    plan = Tiling(tile=100, overlap=0).plan((200, 300), 64)
    assert [plan.box(i)[:2] for i in range(plan.count)] == [
        (0, 0), (100, 0), (0, 100), (100, 100), (0, 200), (100, 200)
    ]  # fmt: skip
    assert plan.place(3) == (1, 1)


@pytest.mark.parametrize(
    ("smallest", "input_size", "side"),
    [(None, 518, 518), (None, 256, 256), (100, 518, 1600), (4, 518, 259), (1, 20, 16)],
)
def test_auto_lets_a_defect_fill_a_sixteenth_of_a_window(
    smallest: int | None, input_size: int, side: int
) -> None:
    assert Tiling(smallest_defect=smallest).side(input_size) == side


def test_parse_reads_what_is_typed() -> None:
    assert Tiling.parse("auto", smallest_defect=9) == Tiling(smallest_defect=9)
    tiling = Tiling.parse("300", overlap=0.5, whole=True)
    assert tiling.to_dict() == {
        "tile": 300,
        "overlap": 0.5,
        "whole": True,
        "smallest_defect": None,
    }


@pytest.mark.parametrize(
    ("text", "settings", "message"),
    [
        ("big", {}, "tile must be 'auto' or a number of pixels, got 'big'"),
        ("-5", {}, "tile must be 'auto' or a number of pixels"),
        ("15", {}, "tile must be at least 16 pixels, got 15"),
        ("500", {"overlap": 0.95}, r"overlap must lie in \[0, 0.9\], got 0.95"),
        ("500", {"overlap": float("nan")}, "overlap must lie in"),
        ("auto", {"smallest_defect": 0}, "smallest_defect must be at least 1"),
        ("500", {"smallest_defect": 9}, "smallest_defect is 9 and tile is 500; needed is one"),
    ],
)
def test_settings_out_of_range_are_refused(
    text: str, settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        Tiling.parse(text, **settings)


@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    tile=st.integers(16, 40),
    overlap=OVERLAPS,
    skipped=st.sets(st.integers(0, 20)),
)
def test_merging_equals_the_weighted_sum_over_all_windows(
    width: int, height: int, tile: int, overlap: float, skipped: set[int]
) -> None:
    plan = Tiling(tile=tile, overlap=overlap).plan((width, height), 64)
    rng = np.random.default_rng(0)
    merged = np.full((height, width), np.nan)
    expected = np.zeros((height, width))

    def write(top: int, rows: NDArray[np.float32]) -> None:
        assert np.isnan(merged[top:]).all()  # from top to bottom, nothing twice
        merged[top : top + len(rows)] = rows

    merger = Merger(plan, write)
    for index in sorted(set(range(plan.count)) - skipped):
        values = rng.random(plan.window[::-1], dtype=np.float32)
        merger.add(index, values)
        row, column = plan.place(index)
        left, top, right, bottom = plan.box(index)
        weights = np.outer(plan.rows.weights[row], plan.columns.weights[column])
        expected[top:bottom, left:right] += weights * values
    merger.finish()
    np.testing.assert_allclose(merged, expected, atol=1e-5)


def test_responses_come_together_on_one_grid_and_add_up_to_one() -> None:
    plan = Tiling(tile=64, overlap=0.25).plan((160, 64), 64)
    merger = ResponseMerger(plan, prompts=2, grid=8)
    for index in range(plan.count):
        left = plan.box(index)[0]
        second = (np.arange(8) * 8 + 4 + left) / 160  # grows from left to right over the image
        shares = np.broadcast_to(second.astype(np.float32), (8, 8))
        merger.add(index, np.stack([1 - shares, shares]))
    merged = merger.merged()
    assert merged.shape == (2, 8, 20)
    np.testing.assert_allclose(merged.sum(axis=0), 1, atol=1e-6)
    centres = (np.arange(20) * 8 + 4) / 160
    np.testing.assert_allclose(merged[1], np.tile(centres, (8, 1)), atol=5 / 160)


def test_responses_are_even_where_no_window_was_looked_at() -> None:
    plan = Tiling(tile=64, overlap=0).plan((128, 64), 64)
    merger = ResponseMerger(plan, prompts=4, grid=2)
    merger.add(
        0, np.array([1, 0, 0, 0], np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    )
    merged = merger.merged()
    assert (merged[0, :, :2] == 1).all()
    assert (merged[:, :, 2:] == 0.25).all()
