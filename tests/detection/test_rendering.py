"""Heat maps: one scale for all images."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from faprompt.detection.rendering import colours, overlay, strength
from faprompt.errors import ConfigError


def test_calm_image_is_left_as_it_is() -> None:
    image = Image.new("RGB", (6, 4), (10, 20, 30))
    calm = np.full((4, 6), 0.3, np.float32)
    assert np.array_equal(np.array(overlay(image, calm, (0.4, 0.8))), np.array(image))


def test_only_suspicious_pixels_are_coloured() -> None:
    image = Image.new("RGB", (6, 4), (10, 20, 30))
    values = np.zeros((4, 6), np.float32)
    values[1:3, 2:5] = 0.9
    changed = (np.array(overlay(image, values, (0.4, 0.8))) != np.array(image)).any(axis=2)
    assert np.array_equal(changed, values > 0)


@given(st.floats(0, 1, width=32), st.floats(0, 1, width=32))
def test_strength_is_monotone_and_the_same_in_every_image(a: float, b: float) -> None:
    alone = strength(np.array([[a]], np.float32), (0.2, 0.7))[0, 0]
    both = strength(np.array([[a, b]], np.float32), (0.2, 0.7))[0]
    assert both[0] == alone
    assert (both[0] <= both[1]) or a > b


def test_colours_run_from_amber_to_dark_red() -> None:
    ends = colours(np.array([[0.0, 1.0]], np.float32))[0]
    assert ends.tolist() == [[255, 214, 64], [150, 0, 40]]


def test_descending_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"must be ascending, got 0\.7 and 0\.2"):
        strength(np.zeros((1, 1), np.float32), (0.7, 0.2))
