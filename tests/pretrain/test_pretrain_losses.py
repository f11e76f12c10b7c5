import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.testing import assert_close

from faprompt.pretrain import losses


def random_features(seed: int, *shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(seed=st.integers(0, 2**31))
@settings(max_examples=20)
def test_sigmoid_of_the_logits_is_the_methods_softmax(seed: int) -> None:
    patches, normal = random_features(seed, 2, 5, 8), random_features(seed + 1, 2, 8)
    abnormal = random_features(seed + 2, 2, 8)
    unit = [t / t.norm(dim=-1, keepdim=True) for t in (patches, normal, abnormal)]
    pair = torch.stack([unit[1], unit[2]], dim=1)  # (B, 2, D)
    expected = ((unit[0] @ pair.transpose(1, 2)) / 0.07).softmax(dim=-1)[..., 1]
    logits = losses.abnormality_logits(patches, normal, abnormal)
    assert_close(logits.sigmoid(), expected)


def test_caption_loss_of_different_captions_is_the_contrastive_cross_entropy() -> None:
    images, texts = random_features(0, 4, 6), random_features(1, 4, 6)
    scale = torch.tensor(10.0)
    logits = (
        scale
        * (images / images.norm(dim=1, keepdim=True))
        @ (texts / texts.norm(dim=1, keepdim=True)).T
    )
    own = torch.arange(4)
    expected = (cross_entropy(logits, own) + cross_entropy(logits.T, own)) / 2
    assert_close(losses.caption_loss(images, texts, scale, torch.eye(4).bool()), expected)


def test_equal_captions_are_no_mistake() -> None:
    images = torch.eye(3)[[0, 0, 1]]
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]]).bool()
    knowing = losses.caption_loss(images, images, torch.tensor(100.0), same)
    assert_close(knowing, torch.tensor(2 * math.log(2) / 3), rtol=1e-4, atol=1e-4)


def test_dense_loss_golden_value() -> None:
    # A covered and a calm patch at logit 0: weights 6 and 1 on log 2, the mean over two patches;
    # dice 1 - (2 / 2 + 1) / (1 + 1 + 1).
    logits, cover = torch.zeros(1, 2), torch.tensor([[0.25, 0.0]])
    expected = 3.5 * math.log(2) + 0.5 * (1 - 2 / 3)
    assert losses.dense_loss(logits, cover).item() == pytest.approx(expected, abs=1e-6)


@given(cover=st.floats(0.25, 1.0))
def test_a_quarter_covered_counts_as_covered(cover: float) -> None:
    logits = torch.tensor([[3.0, -3.0]])
    full = losses.dense_loss(logits, torch.tensor([[1.0, 0.0]]))
    assert_close(losses.dense_loss(logits, torch.tensor([[cover, 0.0]])), full)


def test_peak_loss_looks_at_the_highest_patches_only() -> None:
    label = torch.ones(1)
    calm = losses.peak_loss(torch.tensor([[5.0, 5.0, 5.0, -9.0, -9.0]]), label)
    calmer = losses.peak_loss(torch.tensor([[5.0, 5.0, 5.0, 2.0, -9.0]]), label)
    assert_close(calm, calmer)
    assert calm < losses.peak_loss(torch.tensor([[5.0, 5.0, -1.0, -1.0, -1.0]]), label)


def test_length_loss_is_zero_at_the_length_of_the_root_of_the_width() -> None:
    features = torch.tensor([[1.0, -1.0, 1.0, -1.0], [2.0, 0.0, 0.0, 0.0]])
    assert losses.length_loss(features).item() == pytest.approx(0, abs=1e-9)
    assert losses.length_loss(features * 10) > losses.length_loss(features * 3) > 0.1
