"""The one forward where only some patches count, and which prompt responded."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from faprompt.config import MethodConfig
from faprompt.method.golden_case import GoldenCase
from faprompt.method.network import FAPrompt, Scores
from faprompt.method.prior import chosen_among, most_abnormal_patches
from faprompt.method.scoring import anomaly_map, blur_matrix

CASE = GoldenCase(seed=1, embed=64, native=28, vlayers=20, vwidth=64, tlayers=9, batch=3, size=56)
PRESETS = ["paper", "released"]


def network(preset: str = "paper", **changes: object) -> FAPrompt:
    torch.manual_seed(0)
    made = FAPrompt(CASE.clip(), MethodConfig.preset(preset, **changes)).requires_grad_(False)
    for parameter in made.learner.parameters():
        parameter.mul_(5)  # else random prompts tell nothing apart
    return made


@pytest.fixture(scope="module")
def features() -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        dual = CASE.clip().visual.dual(CASE.images())
    return dual.image, dual.patches()


def some() -> Tensor:
    keep = torch.rand(3, 16, generator=torch.Generator().manual_seed(3)) > 0.4
    keep[1] = True  # beside images of which only a part counts, one of which all does
    return keep


@pytest.mark.parametrize("preset", PRESETS)
def test_all_true_equals_none_to_the_bit(preset: str, features: tuple[Tensor, Tensor]) -> None:
    model = network(preset)
    plain, kept = model(*features), model(*features, keep=torch.ones(3, 16, dtype=torch.bool))
    for name in ("image_score", "image_logits", "first", "second", "top_patches", "prior"):
        assert torch.equal(getattr(plain, name), getattr(kept, name)), name
    maps = [scores.anomaly_map(56, blur_sigma=4.0) for scores in (plain, kept)]
    assert torch.equal(*maps)


@pytest.mark.parametrize("preset", PRESETS)
def test_an_image_of_which_all_counts_is_as_without(
    preset: str, features: tuple[Tensor, Tensor]
) -> None:
    model, keep = network(preset), some()
    plain, kept = model(*features), model(*features, keep=keep)
    assert torch.equal(plain.image_score[1], kept.image_score[1])
    maps = [scores.anomaly_map(56, blur_sigma=4.0)[1] for scores in (plain, kept)]
    assert torch.equal(*maps)


@pytest.mark.parametrize("preset", PRESETS)
def test_what_does_not_count_has_no_say(preset: str, features: tuple[Tensor, Tensor]) -> None:
    """Other patches in the places that do not count: scores and map stay as they are."""
    model, keep = network(preset), some()
    image, patches = features
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(7))
    changed = torch.where(keep[..., None], patches, noise)
    one, other = (model(image, p, keep=keep) for p in (patches, changed))
    assert_close(one.image_score, other.image_score, rtol=0, atol=1e-6)
    assert_close(one.prior, other.prior, rtol=0, atol=1e-5)
    maps = [scores.anomaly_map(56, blur_sigma=4.0) for scores in (one, other)]
    assert_close(*maps, rtol=0, atol=1e-5)
    without = [model(image, p).image_score for p in (patches, changed)]
    assert (without[0] - without[1]).abs().max() > 1e-3  # it would have had one


def test_maxima_are_taken_among_what_counts(features: tuple[Tensor, Tensor]) -> None:
    keep = some()
    scores = network()(*features, keep=keep)
    for i in range(3):
        first, second = (r[i, keep[i], 1].max() for r in (scores.first, scores.second))
        probability = scores.image_logits[i].softmax(-1)[1]
        assert_close(scores.image_score[i], 0.5 * (probability + (2 * first + second) / 3))
        assert keep[i, scores.top_patches[i]].all()


@settings(max_examples=50)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 12), patches=st.integers(1, 12))
def test_the_prior_s_patches_by_a_loop(seed: int, count: int, patches: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    abnormality = torch.rand(1, 12, generator=generator)
    keep = torch.zeros(1, 12, dtype=torch.bool)
    keep[0, torch.randperm(12, generator=generator)[:count]] = True
    counting = [i for i in range(12) if keep[0, i]]
    ranked = sorted(counting, key=lambda i: -float(abnormality[0, i]))
    for gather, order in (("top", ranked), ("first", counting)):
        expected = [order[i % len(order)] for i in range(patches)]
        found = chosen_among(abnormality, keep, patches, gather)  # type: ignore[arg-type]
        assert found.tolist() == [expected], gather
    if count == 12:
        assert torch.equal(
            chosen_among(abnormality, keep, patches, "top"),
            most_abnormal_patches(abnormality, patches),
        )


def test_the_map_is_the_mean_of_what_counts_by_the_blur_s_weights() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.rand(1, 16, generator=generator)
    keep = torch.zeros(1, 16, dtype=torch.bool)
    keep[0, [0, 1, 5, 10]] = True
    found = anomaly_map(values, values, size=4, blur_sigma=1.0, keep=keep)[0]
    blur = blur_matrix(4, 1.0).float()
    for y in range(4):
        for x in range(4):
            weights = torch.outer(blur[y], blur[x]).ravel() * keep[0]
            assert_close(found[y, x], (weights * values[0]).sum() / weights.sum())


def test_far_from_all_that_counts_the_map_is_zero() -> None:
    keep = torch.zeros(1, 16, dtype=torch.bool)
    keep[0, 0] = True
    found = anomaly_map(torch.ones(1, 16), torch.ones(1, 16), size=64, blur_sigma=1.0, keep=keep)
    assert found[0, 0, 0] == 1
    assert not found[0, 40:].any()


@pytest.mark.parametrize("use_prior", [True, False])
def test_responses_are_the_softmax_over_the_prompts(
    use_prior: bool, features: tuple[Tensor, Tensor]
) -> None:
    model = network(use_prior=use_prior)
    scores: Scores = model(*features, responses=True)
    adapted = scores.text.abnormal.expand(3, -1, -1)
    if use_prior:
        adapted = model.adapted_text(scores.prior, scores.text.beginning)
    assert scores.responses is not None
    for image in range(3):
        for patch in (0, 7):
            cosines = cosine_similarity(features[1][image, patch], adapted[image])
            expected = (cosines / 0.07).softmax(0)
            assert_close(scores.responses[image, patch], expected, rtol=0, atol=1e-5)
    assert scores.responses.std(dim=-1).max() > 1e-3


def test_responses_cost_nothing_and_change_nothing(features: tuple[Tensor, Tensor]) -> None:
    model = network()
    plain, asked = model(*features), model(*features, responses=True)
    assert plain.responses is None
    assert torch.equal(plain.image_score, asked.image_score)
