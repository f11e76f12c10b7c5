"""The input of a backbone against the recipe of METHOD section 1, step by step."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from faprompt.data.transforms import preprocess

MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)


def test_agrees_with_transformers() -> None:
    processor = CLIPImageProcessor(
        do_center_crop=False, size={"height": 28, "width": 28}, image_mean=MEAN, image_std=STD
    )
    expected = processor(Image.fromarray(PIXELS), return_tensors="np")["pixel_values"][0]
    found = preprocess(Image.fromarray(PIXELS), size=28, mean=MEAN, std=STD)
    assert found.dtype == torch.float32
    assert found.is_contiguous()
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-5)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK"])
def test_colour_comes_before_the_resize(mode: str) -> None:
    image = Image.fromarray(PIXELS).convert(mode)
    found = preprocess(image, size=14, mean=MEAN, std=STD)
    torch.testing.assert_close(found, preprocess(image.convert("RGB"), size=14, mean=MEAN, std=STD))


def test_the_image_is_left_alone() -> None:
    image = Image.fromarray(PIXELS)
    preprocess(image, size=30, mean=MEAN, std=STD)
    np.testing.assert_array_equal(image, PIXELS)
