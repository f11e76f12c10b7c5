"""Files of regions: rows, table, COCO as pycocotools reads it, masks, and continuation."""

import csv
import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from pycocotools.coco import COCO

from faprompt.detection.outputs import PredictionFolder
from faprompt.detection.prediction import Prediction
from faprompt.detection.region_files import RegionFolder, RegionSettings, choose_threshold
from faprompt.detection.regions import find_regions, region_mask
from faprompt.detection.rendering import OUTLINE, outlined
from faprompt.errors import ConfigError

SETTINGS = RegionSettings(pixel_threshold=0.8, min_area=2, mm_per_pixel=0.5)
SHARES = np.random.default_rng(0).dirichlet(np.ones(3), (2, 2)).transpose(2, 0, 1)


def prediction(seed: int, *, calm: bool = False) -> Prediction:
    rng = np.random.default_rng(seed)
    height, width = 20 + seed, 31
    return Prediction(
        image_score=0.5,
        anomaly_map=rng.random((height, width), dtype=np.float32) * np.float32(not calm),
        path=f"folder/{seed}.jpg",
        milliseconds=1.0,
        image=Image.new("RGB", (width, height)),
        colour_limits=(0.4, 0.6),
        responses=SHARES.astype(np.float32),
    )


ALL = [prediction(0), prediction(1, calm=True), prediction(2)]


def write(folder: Path, predictions: list[Prediction]) -> None:
    """As ``faprompt predict --regions`` does."""
    run = PredictionFolder.open(folder, SETTINGS.to_dict(), map_format=None)
    regions = RegionFolder(folder, SETTINGS, done=run.rows)
    for one in predictions:
        if one.path not in run.rows:
            regions.add(one, PurePosixPath("x.jpg"))
            run.add(one, PurePosixPath("x.jpg"))
    run.finish()
    regions.finish()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("run") / "out"
    write(found, ALL)
    return found


def rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "regions.jsonl").open()]


def test_every_image_has_a_row_also_a_calm_one(folder: Path) -> None:
    found = rows(folder)
    assert [row["path"] for row in found] == [p.path for p in ALL]
    for row, one in zip(found, ALL, strict=True):
        expected = SETTINGS.find(one)
        assert row["regions"] == [region.to_dict() for region in expected]
        assert (row["width"], row["height"]) == one.image.size
    assert [len(row["regions"]) > 0 for row in found] == [True, False, True]


def test_masks_show_the_pixels_of_the_regions(folder: Path) -> None:
    assert len({row["mask"] for row in rows(folder)}) == 3  # of one name, from several folders
    for row, one in zip(rows(folder), ALL, strict=True):
        with Image.open(folder / row["mask"]) as image:
            found = np.array(image)
        assert np.array_equal(found == 255, region_mask(one.anomaly_map, 0.8, min_area=2))
        assert set(np.unique(found)) <= {0, 255}


def test_the_table_is_sorted_by_peak(folder: Path) -> None:
    with (folder / "regions.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == sum(len(row["regions"]) for row in rows(folder))
    peaks = [float(line["peak"]) for line in lines]
    assert peaks == sorted(peaks, reverse=True)
    for line in lines:
        assert float(line["area_mm2"]) == int(line["area"]) * 0.25
        assert 1 / 3 <= float(line["prompt_share"]) <= 1


def test_coco_is_read_by_pycocotools_with_the_same_pixels(folder: Path) -> None:
    coco = COCO(folder / "regions.coco.json")
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == ["anomaly"]
    assert coco.getImgIds() == [1, 2, 3]
    for number, one in enumerate(ALL, 1):
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=number))
        expected = SETTINGS.find(one)
        assert len(annotations) == len(expected)
        for annotation, region in zip(annotations, expected, strict=True):
            assert annotation["bbox"] == list(region.box)
            assert annotation["area"] == region.area
            assert annotation["score"] == pytest.approx(region.peak, abs=1e-6)
            assert annotation["iscrowd"] == 0
            pixels = coco.annToMask(annotation).astype(bool)
            assert pixels.sum() >= region.area
            assert same_box(pixels, region.box)
    found = np.zeros(ALL[0].anomaly_map.shape, dtype=np.bool_)
    for annotation in coco.loadAnns(coco.getAnnIds(imgIds=1)):
        found |= coco.annToMask(annotation).astype(bool)
    assert not (region_mask(ALL[0].anomaly_map, 0.8, min_area=2) & ~found).any()


def same_box(pixels: NDArray[np.bool_], box: tuple[int, int, int, int]) -> bool:
    y, x = np.nonzero(pixels)
    size = (int(x.max() - x.min()) + 1, int(y.max() - y.min()) + 1)
    return box == (int(x.min()), int(y.min()), *size)


@pytest.mark.parametrize("lost", ["the row of the run", "half of the row of the regions"])
def test_a_run_killed_between_two_files_ends_with_the_same_ones(
    lost: str, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    write(out, ALL[:2])
    if lost == "the row of the run":
        lines = (out / "predictions.jsonl").read_text().splitlines(keepends=True)
        (out / "predictions.jsonl").write_text(lines[0])
    else:
        with (out / "regions.jsonl").open("a") as file:
            file.write('{"path": "folder/2.jpg", "mask": "masks/x')
    write(out, ALL)
    for name in ("regions.jsonl", "regions.csv", "regions.coco.json"):
        assert (out / name).read_text() == (folder / name).read_text(), name
    assert sorted(p.name for p in (out / "masks").iterdir()) == sorted(
        p.name for p in (folder / "masks").iterdir()
    )


def test_outlines_are_drawn_where_the_regions_end() -> None:
    plain = Image.new("RGB", (60, 40), (90, 90, 90))
    values = np.zeros((40, 60), np.float32)
    values[10:30, 20:50] = 1
    drawn = np.array(outlined(plain, [r.polygon for r in find_regions(values, 0.5)]))
    white = (drawn == OUTLINE).all(axis=2)
    assert white[10, 25] and white[20, 20]  # noqa: PT018 (two sides)
    assert (drawn[20, 35] == 90).all()
    assert (np.array(plain) == 90).all()


@pytest.mark.parametrize(
    ("given", "station", "expected"), [(0.3, 0.5, 0.3), (None, 0.5, 0.5), (None, None, 0.4)]
)
def test_the_threshold_is_the_nearest_one_said(
    given: float | None, station: float | None, expected: float
) -> None:
    assert choose_threshold(given, station=station, colour_limits=(0.4, 0.6)) == expected


def test_no_threshold_at_all_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"is 0: needed is one above 0\. Name one with"):
        choose_threshold(None, station=None, colour_limits=(0.0, 1.0))
    with pytest.raises(ConfigError, match="smallest area"):
        replace(SETTINGS, min_area=-1)
