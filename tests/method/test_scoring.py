"""Scores and maps: scipy and torch as oracles, properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch.nn.functional import interpolate
from torch.testing import assert_close

from faprompt.errors import ConfigError
from faprompt.method.prior import gather_patches, most_abnormal_patches
from faprompt.method.scoring import anomaly_map, blur_matrix, gathered, image_score, upsample


@pytest.mark.parametrize(("size", "sigma"), [(98, 10.0), (30, 10.0), (5, 4.0), (64, 0.4)])
def test_blur_is_scipy_s_also_where_the_radius_exceeds_the_map(size: int, sigma: float) -> None:
    image = np.random.default_rng(0).random((size, size))
    matrix = blur_matrix(size, sigma).numpy()
    expected = gaussian_filter(image, sigma, mode="reflect", truncate=4.0)
    np.testing.assert_allclose(matrix @ image @ matrix.T, expected, atol=1e-9)


def test_map_is_mean_then_upsample_then_blur() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.rand(2, 49, generator=generator) for _ in range(2))
    mean = ((first + second) / 2).reshape(2, 1, 7, 7)
    wide = interpolate(mean, size=(98, 98), mode="bilinear", align_corners=False)[:, 0]
    expected = np.stack([gaussian_filter(m.numpy().astype(np.float64), 10) for m in wide])
    found = anomaly_map(first, second, size=98, blur_sigma=10.0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)


def test_upsample_keeps_raster_order() -> None:
    patches = torch.tensor([[0.0, 1.0, 2.0, 3.0]])
    assert_close(upsample(patches, 2)[0], torch.tensor([[0.0, 1.0], [2.0, 3.0]]))


def test_upsample_is_torch_s_resize_and_gathering_its_transpose() -> None:
    generator = torch.Generator().manual_seed(0)
    patches = torch.rand(2, 49, generator=generator, requires_grad=True)
    weights = torch.rand(2, 98, 98, generator=generator)
    plane = patches.unflatten(1, (7, 7))[:, None]
    wide = interpolate(plane, size=(98, 98), mode="bilinear", align_corners=False)[:, 0]
    assert_close(upsample(patches, 98), wide)
    (gradient,) = torch.autograd.grad(wide, patches, weights)
    assert_close(gathered(weights, 7), gradient)


def test_what_inference_resized_can_be_trained_with() -> None:
    """The matrices are kept between calls, and those made in inference mode have no gradients."""
    patches = torch.rand(1, 9, requires_grad=True)
    with torch.inference_mode():
        anomaly_map(patches, patches, size=13, blur_sigma=0.0)
    upsample(patches, 13).sum().backward()
    assert patches.grad is not None


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), sigma=st.floats(0, 12))
def test_maps_stay_in_the_range_of_their_patches(seed: int, sigma: float) -> None:
    values = torch.rand(1, 16, generator=torch.Generator().manual_seed(seed))
    found = anomaly_map(values, values, size=32, blur_sigma=sigma)
    assert values.min() - 1e-5 <= found.min()
    assert found.max() <= values.max() + 1e-5


def test_image_score_by_hand() -> None:
    first, second = torch.tensor([[0.1, 0.7]]), torch.tensor([[0.4, 0.2]])
    found = image_score(torch.tensor([0.5]), first, second)
    assert_close(found, torch.tensor([0.5 * (0.5 + (2 * 0.7 + 0.4) / 3)]))


def test_picks_the_highest_scoring_patches_not_the_first() -> None:
    patches = torch.arange(8.0).reshape(1, 4, 2)
    indices = most_abnormal_patches(torch.tensor([[0.1, 0.9, 0.2, 0.8]]), num_patches=2)
    assert gather_patches(patches, indices, "top").tolist() == [[[2.0, 3.0], [6.0, 7.0]]]
    assert gather_patches(patches, indices, "first").tolist() == [[[0.0, 1.0], [2.0, 3.0]]]


def test_too_small_an_image_for_the_prior_is_refused() -> None:
    with pytest.raises(ConfigError, match="needs 10 patches, an image of this size has 4"):
        most_abnormal_patches(torch.zeros(1, 4), num_patches=10)
