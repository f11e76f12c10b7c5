"""The one forward: batches, counts, gradients, settings."""

import warnings

import pytest
import torch
from counting import forward_calls
from torch import Tensor
from torch.testing import assert_close

from faprompt.config import LossConfig, MethodConfig
from faprompt.errors import ConfigError
from faprompt.method.golden_case import GoldenCase
from faprompt.method.losses import Targets
from faprompt.method.network import FAPrompt

CASE = GoldenCase(seed=1, embed=64, native=28, vlayers=20, vwidth=64, tlayers=9, batch=3, size=56)
Features = tuple[Tensor, Tensor]


@pytest.fixture(scope="module")
def network() -> FAPrompt:
    torch.manual_seed(0)
    return FAPrompt(CASE.clip(), MethodConfig())


@pytest.fixture(scope="module")
def features() -> Features:
    with torch.no_grad():
        dual = CASE.clip().visual.dual(CASE.images())
    return dual.image, dual.patches()


def test_text_tower_computes_the_common_beginning_once(
    network: FAPrompt, features: Features
) -> None:
    with (
        torch.no_grad(),
        forward_calls(network.get_submodule("text_encoder.transformer.resblocks.0.mlp")) as shapes,
    ):
        network(*features)
    assert shapes == [(1, 6 + 11 * 6, 64), (30, 6, 64)], "beginning and static, adapted"


def test_last_text_block_computes_the_read_out_position_alone(
    network: FAPrompt, features: Features
) -> None:
    last = network.get_submodule("text_encoder.transformer.resblocks.8.mlp")
    with torch.no_grad(), forward_calls(last) as shapes:
        network(*features)
    assert shapes == [(1, 11, 64), (30, 1, 64)], "static, adapted; of the beginning nothing"


def test_static_text_is_reused_at_inference(network: FAPrompt, features: Features) -> None:
    with torch.no_grad():
        text = network.static_text()
        with forward_calls(
            network.get_submodule("text_encoder.transformer.resblocks.0.mlp")
        ) as shapes:
            reused = network(*features, text=text)
        assert shapes == [(30, 6, 64)]
        assert_close(reused.image_score, network(*features).image_score)


@pytest.mark.parametrize("image", range(3))
def test_an_image_does_not_see_its_batch(network: FAPrompt, features: Features, image: int) -> None:
    with torch.no_grad():
        together = network(*features)
        alone = network(features[0][[image]], features[1][[image]])
    assert_close(alone.image_score, together.image_score[[image]])
    assert_close(alone.second, together.second[[image]])


def test_only_learnable_tensors_learn_and_all_do(network: FAPrompt, features: Features) -> None:
    targets = Targets(CASE.labels(), CASE.masks(), torch.ones(3, dtype=torch.bool))
    network.zero_grad()
    network.losses(network(*features), targets, LossConfig()).total.backward()
    learning = {name for name, p in network.named_parameters() if p.grad is not None}
    assert learning == {f"learner.{name}" for name, _ in network.learner.named_parameters()}
    assert all(p.grad.abs().sum() > 0 for p in network.learner.parameters() if p.grad is not None)


def test_joint_and_text_width_may_differ() -> None:
    from dataclasses import replace

    from faprompt.clip.model import Clip
    from faprompt.clip.registry import TowerSize

    spec = replace(CASE.spec, embed_dim=48, text=TowerSize(layers=9, width=64, heads=1))
    clip = Clip(spec).frozen()
    network = FAPrompt(clip, MethodConfig())
    dual = clip.visual.dual(CASE.images())
    scores = network(dual.image, dual.patches())
    assert scores.prior.shape == (3, 64)
    assert scores.prototypes.shape == (3, 2, 48)


def test_number_of_learnable_values_is_the_paper_s() -> None:
    """METHOD section 5: 4,100,064 at ViT-L/14@336."""
    from faprompt.clip.registry import get_spec
    from faprompt.method.network import PromptLearner

    spec = get_spec("ViT-L-14-336")
    with torch.device("meta"):
        learner = PromptLearner(spec.embed_dim, spec.text.width, MethodConfig())
    assert sum(p.numel() for p in learner.parameters()) == 4_100_064


def test_more_deep_prompts_than_blocks_are_refused(features: Features) -> None:
    network = FAPrompt(CASE.clip(), MethodConfig(num_deep_prompts=9))
    with pytest.raises(ConfigError, match="lower num_deep_prompts"):
        network(*features)


def test_no_deep_prompts_is_a_setting(features: Features) -> None:
    scores = FAPrompt(CASE.clip(), MethodConfig(num_deep_prompts=0))(*features)
    assert scores.image_score.shape == (3,)


def test_scores_and_maps_are_probabilities(network: FAPrompt, features: Features) -> None:
    with torch.no_grad():
        scores = network(*features)
        maps = scores.anomaly_map(56, blur_sigma=10.0)
    for values in (scores.image_score, scores.first, scores.second, maps):
        assert ((values >= 0) & (values <= 1)).all()
    assert_close(scores.first.sum(dim=-1), torch.ones(3, 16))


def test_from_pixels_to_maps_is_one_graph(network: FAPrompt) -> None:
    """Nothing between pixels and map waits for a value: no graph break, on a GPU no stall."""
    clip = CASE.clip()

    def whole(images: Tensor) -> tuple[Tensor, Tensor]:
        dual = clip.visual.dual(images)
        scores = network(dual.image, dual.patches())
        return scores.image_score, scores.anomaly_map(56, blur_sigma=10.0)

    compiled = torch.compile(whole, fullgraph=True, backend="eager")
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dynamo remarks on the cache of the blur's matrix
        expected = whole(CASE.images())
        for found, value in zip(compiled(CASE.images()), expected, strict=True):
            assert_close(found, value)
