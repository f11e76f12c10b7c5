"""Losses: naive loops as oracles, bounds and invariances."""

import math

import pytest
import torch
from counting import Passes
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from faprompt.config import LossConfig
from faprompt.method.losses import (
    Targets,
    dice_losses,
    focal_loss,
    image_focal_loss,
    known_only,
    local_loss,
    orthogonality_loss,
    prior_loss,
)
from faprompt.method.scoring import upsample


def random_maps(seed: int, size: int = 4) -> tuple[Tensor, Tensor]:
    """S_a and masks, (2, size, size) each."""
    generator = torch.Generator().manual_seed(seed)
    abnormal = torch.rand(2, size, size, generator=generator)
    masks = (torch.rand(2, size, size, generator=generator) > 0.5).float()
    return abnormal, masks


def test_focal_loss_equals_a_loop() -> None:
    maps, masks = random_maps(0)
    total = 0.0
    for b in range(2):
        for y in range(4):
            for x in range(4):
                label = int(masks[b, y, x])
                targets = [1e-5, 1e-5]
                targets[label] = 1 - 1e-5
                s_a = float(maps[b, y, x])
                pt = targets[0] * (1 - s_a) + targets[1] * s_a + 1e-5
                total += -((1 - pt) ** 2) * math.log(pt)
    assert_close(focal_loss(maps, masks, gamma=2, smoothing=1e-5), torch.tensor(total / 32))


def test_dice_losses_are_0_on_perfect_maps_and_equal_sums_over_classes_and_images() -> None:
    maps, masks = random_maps(1)
    assert_close(dice_losses(masks.flatten(1), masks, smoothing=1.0), torch.zeros(()))
    expected = 0.0
    for image, mask in zip(maps, masks, strict=True):
        for p, g in ((1 - image, 1 - mask), (image, mask)):
            expected += (1 - float((2 * (p * g).sum() + 1) / (p.sum() + g.sum() + 1))) / len(maps)
    assert_close(dice_losses(maps.flatten(1), masks, smoothing=1.0), torch.tensor(expected))


def test_dice_losses_of_patches_are_those_of_the_upsampled_map() -> None:
    patches = random_maps(2)[0].flatten(1)
    masks = random_maps(3, size=14)[1]
    wide = upsample(patches, 14).flatten(1)
    assert_close(
        dice_losses(patches, masks, smoothing=1.0), dice_losses(wide, masks, smoothing=1.0)
    )


@pytest.mark.parametrize("full", [0.0, 1.0])
def test_dice_losses_of_large_maps_keep_their_digits(full: float) -> None:
    """Everything or nothing is defective: one class has no pixels among 268 thousand."""
    masks = torch.full((1, 518, 518), full)
    found = dice_losses(torch.full((1, 37 * 37), full), masks, smoothing=1.0)
    assert_close(found, torch.zeros(()), rtol=0, atol=1e-6)


@pytest.mark.parametrize("gamma", [1.0, 1.5, 2.0])
def test_local_loss_is_finite_where_probabilities_are_certain(gamma: float) -> None:
    """Rounding may carry an upsampled 1 past 1, and no error at all has no slope in every power."""
    masks = random_maps(4, size=518)[1]
    for values in (torch.zeros(2, 37 * 37), torch.ones(2, 37 * 37)):
        loss = local_loss(values.requires_grad_(), masks, LossConfig(focal_gamma=gamma))
        loss.backward()
        assert loss.isfinite()
        assert values.grad is not None
        assert values.grad.isfinite().all()


def test_the_local_loss_makes_few_passes_over_full_size_maps() -> None:
    """Dice sums and their gradients are computed on the patches; 29 passes were made before."""
    masks = random_maps(5, size=40)[1]
    patches = torch.rand(2, 49, requires_grad=True)
    with Passes(elements=masks.numel()) as passes:
        local_loss(patches, masks, LossConfig()).backward()
    assert passes.count <= 23


def test_focal_on_sigmoid_never_reaches_zero_for_normal_images() -> None:
    scores, labels = torch.zeros(4), torch.zeros(4)
    assert image_focal_loss(scores, labels, gamma=2, on="probability") == 0
    assert image_focal_loss(scores, labels, gamma=2, on="sigmoid") > 0.17


def test_prior_loss_counts_normal_images_only() -> None:
    prior = torch.tensor([[1.0, 3.0], [10.0, 10.0], [2.0, 0.0]])
    assert prior_loss(prior, torch.tensor([0, 1, 0])) == (1 + 9) / 2 + 4 / 2


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31), k=st.integers(2, 12), scale=st.floats(0.1, 100))
def test_orthogonality_loss_is_bounded_and_scale_free(seed: int, k: int, scale: float) -> None:
    x = torch.randn(k, 16, generator=torch.Generator().manual_seed(seed))
    loss = orthogonality_loss(x)
    assert 0 <= loss <= k * (k - 1) / 2
    assert_close(orthogonality_loss(x * scale), loss)


def test_images_of_unknown_mask_do_not_enter() -> None:
    maps, masks = random_maps(2)
    labels = torch.tensor([0, 1])
    known = known_only(maps, Targets(labels, masks, torch.tensor([True, False])))
    assert known is not None
    assert_close(known[0], maps[:1])
    assert known_only(maps, Targets(labels, masks, torch.tensor([False, False]))) is None


def test_defaults_are_the_paper_s() -> None:
    config = LossConfig()
    assert (config.adapted_local_weight, config.orthogonality_weight) == (0.5, 0.1)


@pytest.mark.parametrize("on", ["probability", "sigmoid"])
def test_image_focal_loss_falls_as_scores_improve(on: str) -> None:
    labels = torch.tensor([0.0, 1.0])
    good = image_focal_loss(torch.tensor([0.1, 0.9]), labels, gamma=2, on=on)  # type: ignore[arg-type]
    bad = image_focal_loss(torch.tensor([0.6, 0.4]), labels, gamma=2, on=on)  # type: ignore[arg-type]
    assert good < bad
