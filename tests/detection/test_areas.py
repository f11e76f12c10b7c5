"""Areas: forms they are given in, their pixels and patches, and what they do to a prediction."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import picture
from PIL import Image

from faprompt.detection.areas import Areas, counting_patches
from faprompt.detection.detector import Detector
from faprompt.detection.look import Look
from faprompt.detection.polygons import fill, looks_like_polygon
from faprompt.detection.regions import find_regions
from faprompt.errors import ConfigError, DataError, FAPromptError

SQUARE = "2,1 6,1 6,3 2,3"


def mask_file(path: Path, size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    image = Image.new("L", size)
    image.paste(255, box)
    image.save(path)
    return str(path)


def test_all_forms_of_one_area_mean_the_same_pixels(tmp_path: Path) -> None:
    corners = [[2, 1], [6, 1], [6, 3], [2, 3]]
    (tmp_path / "one.json").write_text(json.dumps(corners))
    (tmp_path / "list.json").write_text(json.dumps([[*corners, corners[0]]]))
    (tmp_path / "named.json").write_text(json.dumps({"polygons": [corners]}))
    forms = [
        SQUARE,
        "2, 1; 6.0,1 6,3\t2,3",
        mask_file(tmp_path / "mask.png", (8, 5), (2, 1, 6, 3)),
        *(str(tmp_path / f"{name}.json") for name in ("one", "list", "named")),
    ]
    expected = np.zeros((5, 8), dtype=np.bool_)
    expected[1:3, 2:6] = True
    for form in forms:
        assert np.array_equal(Areas.parse([form]).counting((8, 5)), expected), form
        assert np.array_equal(Areas.parse([], [form]).counting((8, 5)), ~expected), form


def test_interests_add_up_and_what_is_ignored_wins() -> None:
    areas = Areas.parse([SQUARE, "0,0 1,0 1,5 0,5"], ["5,0 8,0 8,5 5,5", "0,0 9,0 9,1 0,1"])
    expected = np.zeros((5, 8), dtype=np.bool_)
    expected[1:3, 2:5] = expected[1:, 0] = True
    assert np.array_equal(areas.counting((8, 5)), expected)


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31), height=st.integers(1, 12), width=st.integers(1, 12))
def test_the_outline_of_a_region_given_as_area_is_the_region(
    seed: int, height: int, width: int
) -> None:
    values = np.random.default_rng(seed).random((height, width), dtype=np.float32)
    for region in find_regions(values, 0.8):
        found = fill([tuple(region.polygon)], (width, height))
        assert found.sum() >= region.area
        assert values[found].max() == np.float32(region.peak)
        ys, xs = np.nonzero(found)
        size = (xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
        assert region.box == (xs.min(), ys.min(), *size)


def test_a_long_row_of_digits_is_read_in_one_way() -> None:
    """With several ways to read each number, this would not end in a lifetime."""
    digits = "1" * 200
    assert looks_like_polygon(" ".join([f"{digits},{digits}"] * 3))
    assert not looks_like_polygon(" ".join([f"{digits},{digits}"] * 6) + " x")


def test_a_slanted_polygon_takes_the_pixels_whose_centre_it_holds() -> None:
    triangle = ((0.0, 0.0), (4.0, 0.0), (0.0, 4.0))
    y, x = np.mgrid[:4, :4] + 0.5
    assert np.array_equal(fill([triangle], (4, 4)), x + y < 4)


def test_what_lies_outside_of_the_image_is_cut_off() -> None:
    assert (
        fill([((-5, -5), (2, -5), (2, 9), (-5, 9))], (3, 2)).tolist() == [[True, True, False]] * 2
    )


def test_a_mask_is_scaled_to_images_of_its_shape_alone(tmp_path: Path) -> None:
    areas = Areas.parse([mask_file(tmp_path / "mask.png", (40, 30), (10, 0, 20, 30))])
    large = areas.counting((400, 301))  # a camera's odd line does no harm
    assert large[:, 100:200].all()
    assert large.sum() == 301 * 100
    with pytest.raises(
        DataError, match=r"mask\.png has 40 x 30 pixels, the image 300 x 400, which"
    ):
        areas.counting((300, 400))


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    grid=st.integers(1, 9),
)
def test_patches_count_that_hold_a_counting_pixel_and_no_others(
    seed: int, height: int, width: int, grid: int
) -> None:
    counting = np.random.default_rng(seed).random((height, width)) > 0.9
    expected = np.zeros((grid, grid), dtype=np.bool_)
    for y, x in np.argwhere(counting):
        rows = [
            r for r in range(grid) if y * grid < (r + 1) * height and r * height < (y + 1) * grid
        ]
        columns = [
            c for c in range(grid) if x * grid < (c + 1) * width and c * width < (x + 1) * grid
        ]
        expected[np.ix_(rows, columns)] = True
    assert np.array_equal(counting_patches(counting, grid), expected.ravel())


def test_all_that_counts_changes_not_a_bit(detector: Detector) -> None:
    whole = Look(areas=Areas.parse(["0,0 48,0 48,32 0,32"]))
    image = picture(5)
    plain, found = detector.predict(image), detector.predict(image, look=whole)
    assert found.image_score == plain.image_score
    assert np.array_equal(found.anomaly_map, plain.anomaly_map)


def test_what_does_not_count_is_zero_and_changes_nothing_else(detector: Detector) -> None:
    """The image is 48 x 32, its grid 4 x 4: the left half is two columns of patches."""
    look = Look(areas=Areas.parse(ignore=["24,0 48,0 48,32 24,32"]))
    plain, found = detector.predict(picture(1)), detector.predict(picture(1), look=look)
    assert not found.anomaly_map[:, 24:].any()
    assert (found.anomaly_map[:, :24] > 0).all()
    assert found.image_score <= plain.image_score
    assert find_regions(found.anomaly_map, 1e-6)[0].box == (0, 0, 24, 32)


def test_an_image_of_which_nothing_counts_costs_no_other(detector: Detector) -> None:
    look = Look(areas=Areas.parse(["30,0 48,0 48,32 30,32"]))
    failed: list[FAPromptError] = []
    stream = detector.predict(
        [picture(0, (20, 20)), picture(1)], look=look, on_error=lambda _, e: failed.append(e)
    )
    assert [p.image.size for p in stream] == [(48, 32)]
    assert "image: no pixel of an image of 20 x 20 counts" in str(failed[0])


def test_digests_follow_the_pixels_not_the_name(tmp_path: Path) -> None:
    one = mask_file(tmp_path / "a.png", (8, 5), (2, 1, 6, 3))
    same = mask_file(tmp_path / "b.bmp", (8, 5), (2, 1, 6, 3))
    other = mask_file(tmp_path / "c.png", (8, 5), (2, 1, 6, 4))
    digests = [Areas.parse([form]).digests() for form in (one, same, other)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("1,1 2,2", ConfigError, "2 different corners; needed are 3 or more"),
        ("1,1 2,2 1,1", ConfigError, "2 different corners"),
        ("1,1 5,1 9,1", ConfigError, "encloses no pixels of any image"),
        ("-9,1 -5,1 -5,5", ConfigError, "encloses no pixels of any image"),
        ("nowhere.png", DataError, r"nowhere\.png: neither a file nor a polygon; needed is a mask"),
        ("black.png", DataError, "marks nothing; what is meant must be white"),
        ("broken.json", DataError, "not a readable JSON file"),
        ("empty.json", ConfigError, "holds no polygons; needed is"),
        ("words.json", ConfigError, "polygon 1 is not a list of points"),
        ("infinite.json", ConfigError, "polygon 1: a corner is not a finite number"),
        ("text.png", DataError, "not an image that can be read"),
    ],
)
def test_unusable_areas_are_named(
    text: str,
    error: type[FAPromptError],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (4, 4)).save("black.png")
    Path("broken.json").write_text("[[1, 2]")
    Path("empty.json").write_text('{"shapes": []}')
    Path("words.json").write_text('["here", "there"]')
    Path("infinite.json").write_text("[[1, 2], [3, Infinity], [5, 0]]")
    Path("text.png").write_text("no image")
    with pytest.raises(error, match=message):
        Areas.parse([text])
