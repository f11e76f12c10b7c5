"""Pixels in and out of the runtime against those of the detector."""

import cv2
import numpy as np
import pytest
from PIL import Image

from faprompt.clip.registry import INCEPTION_MEAN_STD, OPENAI_MEAN, OPENAI_STD
from faprompt.data import transforms
from faprompt.runtime.pixels import preprocess, to_original

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA"])
@pytest.mark.parametrize("size", [28, 77])
def test_the_input_is_that_of_the_detector_to_the_last_bit(mode: str, size: int) -> None:
    pixels = RNG.integers(0, 256, (41, 60, 3), dtype=np.uint8)
    image = Image.fromarray(pixels).convert(mode)
    for mean, std in ((OPENAI_MEAN, OPENAI_STD), (INCEPTION_MEAN_STD, INCEPTION_MEAN_STD)):
        expected = transforms.preprocess(image, size=size, mean=mean, std=std).numpy()
        found = preprocess(image, size=size, mean=mean, std=std)
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("size", [(7, 5), (16, 16), (33, 40), (101, 16), (16, 1), (3, 200)])
def test_maps_are_resized_as_opencv_does(size: tuple[int, int]) -> None:
    anomaly_map = RNG.random((16, 16), dtype=np.float32)
    expected = cv2.resize(anomaly_map, size, interpolation=cv2.INTER_LINEAR)
    found = to_original(anomaly_map, size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def test_a_map_of_the_right_size_is_copied() -> None:
    anomaly_map = RNG.random((4, 6), dtype=np.float32)
    found = to_original(anomaly_map, (6, 4))
    np.testing.assert_array_equal(found, anomaly_map)
    assert not np.shares_memory(found, anomaly_map)
