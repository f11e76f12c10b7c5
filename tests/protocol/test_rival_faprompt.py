"""FAPrompt and its ablations as methods: they learn, resume and score as they say."""

import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import micro_training
import pytest
import torch
from counting import forward_calls
from micro_rivals import images, make_rival_backbone, resized, see
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from faprompt.clip.weights import Backbone
from faprompt.config import LossConfig, MethodConfig
from faprompt.data.samples import Dataset
from faprompt.errors import CheckpointError, ConfigError
from faprompt.method.checkpoint import build_network, read_checkpoint
from faprompt.method.losses import Targets
from faprompt.method.network import FAPrompt
from faprompt.protocol.methods import METHODS, describe, get_method
from faprompt.training.run import Places
from faprompt.training.trainer import Trainer

dataset = micro_training.dataset
folder = micro_training.folder
one_thread = micro_training.one_thread

SIZE = 64
CHANGES = {"epochs": 2, "batch_size": 4, "num_deep_prompts": 2, "blur_sigma": 2.0}
TRAINED = [name for name, method in METHODS.items() if method.trained]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return make_rival_backbone(tmp_path_factory.mktemp("weights"))


def learned(name: str, backbone: Backbone, data: Dataset, out: Path, **changes: Any) -> Path:
    places = Places(out=out, cache=out.parent / "cache")
    return get_method(name).learn(
        backbone, [data], changes=CHANGES | changes, places=places, workers=0
    )


def test_every_method_says_what_the_report_needs() -> None:
    assert {method.name for method in METHODS.values()} == set(METHODS)
    assert len({method.title for method in METHODS.values()}) == len(METHODS)
    for method in METHODS.values():
        assert method.source
        assert method.settings
        assert method.deviations
        assert method.trained == (method.untrained is None)


def test_the_nearest_name_is_suggested() -> None:
    with pytest.raises(ConfigError, match="unknown method 'wincilp'; did you mean 'winclip'"):
        get_method("wincilp")


@pytest.mark.parametrize("name", TRAINED)
def test_what_was_learned_scores_again(
    name: str, backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    method = get_method(name)
    path = learned(name, backbone, dataset, tmp_path / "run")
    assert path == tmp_path / "run" / "best.safetensors"
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert learned(name, backbone, dataset, tmp_path / "run") == path
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before

    scorer = method.scorer(backbone, path, input_size=SIZE, blur_sigma=2)
    pixels = images(3)
    scores, maps = scorer.score(see(backbone, scorer, pixels))
    assert (scores.shape, maps.shape, maps.dtype) == ((3,), (3, SIZE, SIZE), torch.float32)
    assert bool(((scores >= 0) & (scores <= 1)).all())
    assert bool(((maps >= 0) & (maps <= 1)).all())
    assert float(maps.std()) > 1e-4
    score, alone = scorer.score(see(backbone, scorer, pixels[1:2]))
    assert_close(score, scores[1:2], rtol=0, atol=1e-6)
    assert_close(alone, maps[1:2], rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", TRAINED)
def test_learning_lowers_the_loss(
    name: str, backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    path = learned(name, backbone, dataset, tmp_path / "run", epochs=6, learning_rate=0.01)
    lines = [json.loads(line) for line in (path.parent / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "heldout" in line]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", TRAINED)
def test_without_its_checkpoint_a_trained_method_does_not_score(
    name: str, backbone: Backbone
) -> None:
    with pytest.raises(CheckpointError, match=f"{name}: needs a checkpoint"):
        get_method(name).scorer(backbone, None, input_size=SIZE, blur_sigma=0)


def test_a_method_that_does_not_learn_says_so(
    backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="winclip: does not learn"):
        learned("winclip", backbone, dataset, tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [
        ("faprompt-cap", "use_prior", False),
        ("faprompt-dap", "num_abnormality_prompts", 1),
        ("faprompt-no-oc", "orthogonality_weight", 0.0),
        ("faprompt-no-prior-loss", "prior_weight", 0.0),
    ],
)
def test_no_plan_changes_what_makes_an_ablation(
    name: str, setting: str, value: object, backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    other = {"use_prior": True, "num_abnormality_prompts": 3}.get(setting, 0.7)
    path = learned(name, backbone, dataset, tmp_path / "run", **{setting: other})
    header, _ = read_checkpoint(path)
    assert (header.method.to_dict() | header.loss.to_dict())[setting] == value
    assert header.network == "faprompt"
    build_network(*read_checkpoint(path), backbone, path=path)  # detection takes ablations, too


def naive_text(
    network: FAPrompt, backbone: Backbone, prior: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """F_n and F_a, one prompt at a time; ``prior`` (W,) shifts the abnormal tokens."""
    text, tokens = backbone.clip.text, backbone.spec.tokens
    prompts = network.learner.prompts
    deep: Any = prompts.deep_tokens

    def encode(learnable: Tensor, words: list[int]) -> Tensor:
        table = text.token_embedding.weight
        x = torch.cat([table[[tokens.start]], learnable, table[words]])
        x = x + text.positional_embedding[: len(x)]
        for index, module in enumerate(text.transformer.resblocks):
            block: Any = module
            if 1 <= index <= len(deep):
                x = torch.cat([x[:1], deep[index - 1], x[1 + deep.shape[1] :]])
            x = block.masked(x[None], torch.ones(len(x), len(x), dtype=torch.bool).tril())[0][0]
        feature: Tensor = text.ln_final(x[-1]) @ text.text_projection
        return feature

    end = [tokens.object, tokens.full_stop, tokens.end]
    normal = encode(prompts.normal_tokens[0, 0], end)
    abnormal = []
    for tail in prompts.abnormal_tokens[0]:
        shifted = tail if prior is None else tail + prior
        learnable = torch.cat([prompts.normal_tokens[0, 0], shifted])
        abnormal.append(encode(learnable, [tokens.damaged, *end]))
    return normal, torch.stack(abnormal).mean(dim=0)


def naive_probability(feature: Tensor, normal: Tensor, abnormal: Tensor) -> float:
    cosines = torch.stack([cosine_similarity(feature, t, dim=0) for t in (normal, abnormal)])
    return float((cosines / 0.07).softmax(dim=0)[1])


def micro_network(backbone: Backbone, **settings: Any) -> FAPrompt:
    torch.manual_seed(3)
    config = MethodConfig(num_deep_prompts=2, num_prior_patches=3, **settings)
    network = FAPrompt(backbone.clip, config).eval().requires_grad_(False)
    for parameter in network.learner.parameters():
        parameter.data += 0.3 * torch.randn_like(
            parameter
        )  # far from the start, so that they matter
    return network


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"use_prior": False, "num_abnormality_prompts": 3}, id="faprompt-cap"),
        pytest.param({"num_abnormality_prompts": 1}, id="faprompt-dap"),
    ],
)
def test_ablations_by_loops(settings: dict[str, Any], backbone: Backbone) -> None:
    network = micro_network(backbone, **settings)
    dual = backbone.clip.visual.dual(images(2))
    found = network(dual.image, dual.patches())
    static = naive_text(network, backbone)
    for i in range(2):
        features = dual.patches()[i]
        first = [naive_probability(patch, *static) for patch in features]
        texts, second = static, first
        if network.learner.prior is not None:
            top = sorted(range(len(first)), key=lambda p: -first[p])[:3]
            psi = network.learner.prior
            hidden = psi.linear1(torch.cat([features[p] / features[p].norm() for p in top])).relu()
            texts = naive_text(network, backbone, psi.linear2(hidden))
            second = [naive_probability(patch, *texts) for patch in features]
        image = naive_probability(dual.image[i], *texts)
        expected = 0.5 * (image + (2 * max(first) + max(second)) / 3)
        assert float(found.image_score[i]) == pytest.approx(expected, abs=1e-5)
        mean = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
        maps = found.anomaly_map(SIZE, blur_sigma=0)[i]
        assert_close(maps, resized(mean, SIZE), rtol=0, atol=1e-5)


TARGETS = Targets(torch.tensor([0, 1]), torch.zeros(2, SIZE, SIZE), torch.ones(2).bool())


def ablated_loss(name: str) -> LossConfig:
    fixed = get_method(name).fixed
    return LossConfig(**{key: value for key, value in fixed.items() if "weight" in key})


def test_losses_of_the_ablations_lack_what_they_say(backbone: Backbone) -> None:
    network = micro_network(backbone)
    dual = backbone.clip.visual.dual(images(2))
    scores = network(dual.image, dual.patches())
    whole = network.losses(scores, TARGETS, LossConfig())
    assert float(whole.orthogonality) > 0
    assert float(whole.prior) > 0
    without_oc = network.losses(scores, TARGETS, ablated_loss("faprompt-no-oc")).total
    assert_close(without_oc, whole.total - 0.1 * whole.orthogonality)
    without_prior = network.losses(scores, TARGETS, ablated_loss("faprompt-no-prior-loss")).total
    assert_close(without_prior, whole.total - whole.prior)


def test_cap_alone_has_no_prior_and_weighs_its_one_round_twice(backbone: Backbone) -> None:
    network = micro_network(backbone, use_prior=False)
    assert not any(name.startswith("prior") for name in network.learner.state_dict())
    dual = backbone.clip.visual.dual(images(2))
    scores = network(dual.image, dual.patches())
    losses = network.losses(scores, TARGETS, LossConfig())
    once = network.losses(scores, TARGETS, LossConfig(adapted_local_weight=0.0))
    assert_close(losses.local, 1.5 * once.local)
    assert float(losses.prior) == 0


@pytest.mark.parametrize("name", TRAINED)
def test_prompts_that_do_not_fit_are_refused_before_anything_slow(
    name: str, backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    with (
        forward_calls(backbone.clip.visual.conv1) as shapes,
        pytest.raises(ConfigError, match="tokens, this text tower has 24 positions: lower num_no"),
    ):
        learned(name, backbone, dataset, tmp_path / "run", num_normal_tokens=30)
    assert shapes == []


@pytest.mark.parametrize("name", list(METHODS))
def test_every_method_scores_on_towers_in_bf16(
    name: str, backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    method = get_method(name)
    path = learned(name, backbone, dataset, tmp_path / "run") if method.trained else None
    half = replace(backbone, clip=deepcopy(backbone.clip).bfloat16())
    results = []
    for towers in (backbone, half):
        scorer = method.scorer(towers, path, input_size=SIZE, blur_sigma=2)
        results.append(scorer.score(see(towers, scorer, images(2))))
    for exact, rough in zip(*results, strict=True):
        assert rough.dtype == torch.float32
        # A cosine is off by some 2^-8; divided by 4 tau, and other patches may feed the prior.
        assert_close(rough, exact, rtol=0, atol=0.1)


class Killed(BaseException):
    """What nothing catches."""


@pytest.mark.parametrize("name", ["coop", "anomalyclip", "faprompt-cap"])
def test_a_stopped_run_ends_as_one_that_was_not(
    name: str,
    backbone: Backbone,
    dataset: Dataset,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original, calls = Trainer.step, iter(range(1, 99))

    def dying(*args: Any, **kwargs: Any) -> dict[str, float]:
        if next(calls) == 3:  # within the second epoch
            raise Killed
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "step", dying)
        with pytest.raises(Killed):
            learned(name, backbone, dataset, tmp_path / "stopped")
    runs = [learned(name, backbone, dataset, tmp_path / run).parent for run in ("stopped", "whole")]
    first, second = ({file.name: file.read_bytes() for file in run.iterdir()} for run in runs)
    assert first == second


def test_a_folder_belongs_to_one_method(
    backbone: Backbone, dataset: Dataset, tmp_path: Path
) -> None:
    path = learned("coop", backbone, dataset, tmp_path / "run")
    with pytest.raises(ConfigError, match=r'network was "coop", now "faprompt"'):
        learned("faprompt", backbone, dataset, tmp_path / "run")
    with pytest.raises(CheckpointError, match=r"learned by 'coop', needed is .* 'anomalyclip'"):
        get_method("anomalyclip").scorer(backbone, path, input_size=SIZE, blur_sigma=0)


def test_the_page_says_what_the_code_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rivals.md").read_text(encoding="utf-8")
    assert page.split("## Methods\n\n")[1] == describe(METHODS.values())
