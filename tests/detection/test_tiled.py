"""Images by windows: no seams, nothing twice, shared batches, errors of one image only."""

import tracemalloc
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from bright import BrightModel
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from faprompt.detection.areas import Areas
from faprompt.detection.detector import Detector
from faprompt.detection.look import Look
from faprompt.detection.prediction import Prediction, Reading, predict
from faprompt.detection.tiled import predict_tiled
from faprompt.detection.tiling import Tiling
from faprompt.errors import ConfigError, DataError

BY_64 = Look(tiling=Tiling(tile=64))
LIMIT = 10_000
"""Pixels; larger images are read by rows."""


def reading(**changes: Any) -> Reading:
    settings = {"batch_size": None, "workers": 2, "max_pixels": LIMIT, "on_error": None}
    return Reading(**(settings | changes))


def look_at(image: Any, look: Look = BY_64, model: BrightModel | None = None) -> Prediction:
    engine = (model or BrightModel()).engine()
    found = predict(image, engine, reading(), look)
    assert isinstance(found, Prediction)
    return found


def grey(height: int, width: int, value: int = 100) -> NDArray[np.uint8]:
    return np.full((height, width, 3), value, np.uint8)


@pytest.mark.parametrize("size", [(200, 300), (65, 64), (64, 64), (40, 500), (131, 97)])
@pytest.mark.parametrize("overlap", [0.0, 0.25, 0.6])
def test_a_constant_image_has_no_seams(size: tuple[int, int], overlap: float) -> None:
    found = look_at(grey(*size), Look(tiling=Tiling(tile=64, overlap=overlap)))
    assert found.anomaly_map.shape == size
    np.testing.assert_allclose(found.anomaly_map, 100 / 255, atol=1e-6)
    assert found.image_score == pytest.approx(100 / 255, abs=1e-6)


def test_windows_of_a_real_network_meet_without_steps(detector: Detector) -> None:
    look = Look(tiling=Tiling(tile=96, overlap=0.25))
    alone = detector.predict(grey(96, 96)).anomaly_map
    merged = detector.predict(grey(250, 250), look=look).anomaly_map
    for axis in (0, 1):
        steps = np.abs(np.diff(merged, axis=axis)).max()
        allowed = np.abs(np.diff(alone, axis=axis)).max() + np.ptp(alone) / 24  # of the ramp
        assert steps <= allowed + 1e-6


@pytest.mark.parametrize("centre", [(100, 56), (56, 56), (56, 100), (152, 200), (3, 297)])
def test_a_defect_on_a_seam_is_found_once_and_in_its_place(centre: tuple[int, int]) -> None:
    image = grey(200, 300, 20)
    y, x = centre
    image[max(0, y - 6) : y + 6, max(0, x - 6) : x + 6] = 250
    found = look_at(image)
    labels, regions = ndimage.label(found.anomaly_map > 0.5)
    assert regions == 1
    expected = ndimage.center_of_mass(image[..., 0] == 250)
    assert ndimage.center_of_mass(labels) == pytest.approx(expected, abs=1)
    assert found.image_score == pytest.approx(250 / 255, abs=0.02)


def test_an_image_no_larger_than_a_window_is_looked_at_as_without_tiling(
    detector: Detector,
) -> None:
    image = Image.effect_noise((90, 50), 60).convert("RGB")
    plain = detector.predict(image)
    for tiling in (Tiling(tile=90), Tiling(tile=200, whole=True)):
        found = detector.predict(image, look=Look(tiling=tiling, responses=True))
        assert found.image_score == plain.image_score
        np.testing.assert_array_equal(found.anomaly_map, plain.anomaly_map)
        assert found.responses is not None


def test_the_score_is_the_largest_of_the_windows() -> None:
    image = grey(64, 112, 50)
    image[:, 48:64] = 150
    image[20:40, 90:110] = 200
    left, right = (look_at(image[:, x : x + 64]).image_score for x in (0, 48))
    assert left < right
    assert look_at(image).image_score == right


def test_whole_takes_the_mean_of_both_ways_of_looking() -> None:
    image = np.random.default_rng(0).integers(0, 255, (150, 100, 3), dtype=np.uint8)
    windows, glance = look_at(image), look_at(image, Look())
    both = look_at(image, Look(tiling=Tiling(tile=64, whole=True)))
    mean = (windows.anomaly_map + glance.anomaly_map) / 2
    np.testing.assert_allclose(both.anomaly_map, mean, atol=1e-6)
    expected = (windows.image_score + glance.image_score) / 2
    assert both.image_score == pytest.approx(expected, abs=1e-6)


def test_windows_without_anything_that_counts_are_not_looked_at() -> None:
    image = grey(64, 400, 30)
    image[:, 70:] = 250  # in the second window, in patches that do not count
    model = BrightModel()
    areas = Areas.parse(interest=["0,0 50,0 50,64 0,64"])
    found = look_at(image, Look(tiling=Tiling(tile=64), areas=areas), model)
    assert sum(model.batches) == 2  # of 8 windows; the second begins at 48
    assert found.image_score == pytest.approx(30 / 255, abs=1e-6)
    assert (found.anomaly_map[:, 50:] == 0).all()
    np.testing.assert_allclose(found.anomaly_map[:, :50], 30 / 255, atol=1e-6)


def test_areas_of_large_files_and_of_images_in_memory_do_the_same(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (300, 200, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(64, 64))
    look = Look(tiling=Tiling(tile=64), areas=Areas.parse(ignore=["0,64 200,64 200,300 0,300"]))
    from_file = look_at(tmp_path / "a.tif", look)
    np.testing.assert_array_equal(from_file.anomaly_map, look_at(image, look).anomaly_map)
    assert from_file.image.size == (200, 300)


def test_responses_of_windows_come_together() -> None:
    image = grey(64, 160, 0)
    image[:, 80:] = 255
    found = look_at(image, Look(tiling=Tiling(tile=64), responses=True))
    assert found.responses is not None
    assert found.responses.shape == (3, 4, 10)
    np.testing.assert_allclose(found.responses.sum(axis=0), 1, atol=1e-6)
    assert (found.responses[0, :, :4] > 0.99).all()
    assert (found.responses[1, :, 6:] > 0.99).all()


def test_windows_of_several_images_share_batches() -> None:
    model = BrightModel()
    images = [grey(64, 112, value) for value in (10, 20, 30)]  # two windows each
    stream = predict_tiled(images, model.engine(), reading(batch_size=4), BY_64)
    assert [round(p.image_score * 255) for p in stream] == [10, 20, 30]
    assert model.batches == [4, 2]


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 1), (8, 4)])
def test_results_depend_neither_on_batches_nor_on_threads(batch_size: int, workers: int) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (100, side, 3), dtype=np.uint8) for side in (50, 150, 90)]
    settings = reading(batch_size=batch_size, workers=workers)
    stream = predict_tiled(images, BrightModel().engine(), settings, BY_64)
    for image, found in zip(images, stream, strict=True):
        np.testing.assert_array_equal(found.anomaly_map, look_at(image).anomaly_map)


def test_an_endless_stream_opens_few_images_ahead() -> None:
    taken = []
    images = (taken.append(i) or grey(70, 70, i) for i in count())  # type: ignore[func-returns-value]
    stream = predict_tiled(images, BrightModel().engine(), reading(batch_size=1, workers=1), BY_64)
    assert len(list(islice(stream, 3))) == 3
    assert len(taken) <= 3 + 2
    stream.close()  # type: ignore[attr-defined]


def damaged_tiff(path: Path) -> Path:
    """The last quarter is missing."""
    image = np.random.default_rng(0).integers(0, 255, (400, 100, 3), dtype=np.uint8)
    tifffile.imwrite(path, image, photometric="rgb", rowsperstrip=20, compression="zlib")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 3 // 4])
    return path


def test_a_window_that_cannot_be_read_costs_its_image_only(tmp_path: Path) -> None:
    (tmp_path / "no.png").write_bytes(b"no image")
    bad = damaged_tiff(tmp_path / "bad.tif")
    failed: list[tuple[Any, str]] = []
    items = [grey(70, 70, 10), bad, tmp_path / "no.png", grey(70, 70, 20)]
    settings = reading(on_error=lambda item, error: failed.append((item, str(error))))
    stream = predict_tiled(items, BrightModel().engine(), settings, BY_64)
    assert [round(p.image_score * 255) for p in stream] == [10, 20]
    assert [item for item, _ in failed] == [bad, tmp_path / "no.png"]
    assert all(str(item) in text for item, text in failed)
    with pytest.raises(DataError, match=r"bad\.tif: "):
        list(predict_tiled(items, BrightModel().engine(), reading(), BY_64))


def test_progress_counts_the_windows_of_each_image() -> None:
    seen: list[tuple[int, int]] = []
    look_at(grey(64, 160), Look(tiling=Tiling(tile=64), watch=lambda *now: seen.append(now)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("whole", [False, True])
def test_a_large_file_gives_what_the_image_in_memory_gives(tmp_path: Path, whole: bool) -> None:
    image = np.random.default_rng(2).integers(0, 255, (260, 190, 3), dtype=np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", image, photometric="rgb", tile=(48, 32), compression="lzw")
    look = Look(tiling=Tiling(tile=64, whole=whole), responses=True)
    found, expected = look_at(tmp_path / "a.tif", look), look_at(image, look)
    assert isinstance(found.anomaly_map, np.memmap)
    np.testing.assert_array_equal(found.anomaly_map, expected.anomaly_map)
    assert found.image_score == expected.image_score
    assert found.size == (190, 260)
    np.testing.assert_array_equal(found.image, image)  # small enough to be shown as it is
    assert found.path == str(tmp_path / "a.tif")
    assert found.overlay().size == (190, 260)


def test_a_large_photograph_is_refused_with_advice(tmp_path: Path) -> None:
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg: 200 x 100 pixels are more .* save it as TIFF"):
        look_at(tmp_path / "a.jpg")


def test_windows_too_large_for_memory_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", grey(110, 110), photometric="rgb")
    with pytest.raises(DataError, match=r"a\.tif: windows of 110 x 110 .* choose a smaller --tile"):
        look_at(tmp_path / "a.tif", Look(tiling=Tiling(tile=200)))


def test_memory_does_not_grow_with_the_image(tmp_path: Path) -> None:
    def peak(height: int) -> int:
        path = tmp_path / f"{height}.tif"
        tiles = (np.zeros((128, 512, 3), np.uint8) for _ in range(height // 128))
        shape, tile = (height, 512, 3), (128, 512)
        tifffile.imwrite(path, tiles, shape=shape, dtype=np.uint8, tile=tile, photometric="rgb")
        tracemalloc.start()
        look_at(path, Look(tiling=Tiling(tile=96)))
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(1024)  # imports
    small, large = peak(1024), peak(8192)  # a map of 2 and of 17 MB
    assert large < 1.3 * small


def test_detectors_with_references_do_not_look_by_windows(detector: Detector) -> None:
    few = detector.with_references([grey(50, 50)])
    with pytest.raises(ConfigError, match="references are patches of whole images"):
        few.predict(grey(200, 200), look=BY_64)
