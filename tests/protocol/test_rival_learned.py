"""CoOp and AnomalyCLIP against loops written from the papers; published checkpoints."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from micro_rivals import (
    SPEC,
    images,
    make_rival_backbone,
    probability,
    resized,
    see,
    unit,
    words,
)
from torch import Tensor
from torch.testing import assert_close

from faprompt.clip.registry import REGISTRY
from faprompt.clip.weights import Backbone
from faprompt.config import LossConfig, MethodConfig
from faprompt.errors import CheckpointError, FAPromptError, WeightsError
from faprompt.method.losses import Targets
from faprompt.protocol.methods import get_method
from faprompt.protocol.rivals import anomalyclip, coop
from faprompt.protocol.rivals.anomalyclip import local_blocks
from faprompt.protocol.rivals.learned import LearnedPair
from faprompt.protocol.scorer import FeatureScorer, Output

SIZE = 64
CONFIG = MethodConfig(
    num_normal_tokens=6, num_abnormal_tokens=5, num_deep_prompts=2, use_prior=False
)
SHALLOW = MethodConfig(num_normal_tokens=6, num_deep_prompts=0, deep_prompt_length=0)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return make_rival_backbone(tmp_path_factory.mktemp("weights"))


def make(name: str, backbone: Backbone) -> LearnedPair:
    """A network with tokens far from their start, so that they matter."""
    torch.manual_seed(4)
    build, config = {"coop": (coop.build, SHALLOW), "anomalyclip": (anomalyclip.build, CONFIG)}[
        name
    ]
    network = build(backbone, config)
    for parameter in network.learner.parameters():
        parameter.data = torch.randn_like(parameter)
    return network


def naive_text(
    backbone: Backbone, learnable: Tensor, tail: list[int], deep: Tensor | None
) -> list[float]:
    """Unit feature of SOT, learnable tokens, words: one prompt alone, all positions."""
    text: Any = backbone.clip.text
    table = text.token_embedding.weight
    x = torch.cat([table[[1]], learnable, table[tail]])
    end = len(x) - 1
    x = torch.cat([x, torch.zeros(SPEC.context_length - len(x), x.shape[1])])
    x = x + text.positional_embedding
    for index, block in enumerate(text.transformer.resblocks):
        if deep is not None and 1 <= index <= len(deep):
            for place, token in enumerate(deep[index - 1]):
                x[1 + place] = token
        x = block.masked(x[None], torch.ones(len(x), len(x), dtype=torch.bool).tril())[0][0]
    return unit((text.ln_final(x[end]) @ text.text_projection).tolist())


def naive_prototypes(name: str, backbone: Backbone, network: LearnedPair) -> list[list[float]]:
    state = network.learner.state_dict()
    if name == "coop":
        return [
            naive_text(backbone, state["context"], words(text)[1:], None)
            for text in ("normal object.", "anomalous object.")
        ]
    tokens = (state["normal_tokens"], state["abnormal_tokens"])
    return [
        naive_text(backbone, learnable, words(text)[1:], state["deep_tokens"])
        for learnable, text in zip(tokens, ("object.", "damaged object."), strict=True)
    ]


def naive_scores(
    name: str, backbone: Backbone, network: LearnedPair, pixels: Tensor
) -> tuple[list[float], list[list[list[float]]]]:
    """Image probabilities, and patch probabilities by image and block."""
    normal, abnormal = naive_prototypes(name, backbone, network)
    visual = backbone.clip.visual
    if name == "coop":
        tau = 1 / float(backbone.clip.logit_scale.exp())
        image, blocks = backbone.clip.encode_image(pixels), [visual.dual(pixels).ordinary()]
    else:
        tau = 0.07
        dual = visual.dual(pixels, [1, 2])
        image, blocks = dual.image, [dual.local[1], dual.local[2]]
    scores = [probability(x, normal, abnormal, tau) for x in image.tolist()]
    patches = [
        [[probability(p, normal, abnormal, tau) for p in block[i, 1:].tolist()] for block in blocks]
        for i in range(len(pixels))
    ]
    return scores, patches


@pytest.mark.parametrize("name", ["coop", "anomalyclip"])
def test_scores_and_maps_by_loops(name: str, backbone: Backbone) -> None:
    network, pixels = make(name, backbone), images(2)
    reading = get_method(name).kind.reading(backbone)
    scorer = FeatureScorer(network, reading, Output(input_size=SIZE, blur_sigma=0))
    found, maps = scorer.score(see(backbone, scorer, pixels))
    scores, patches = naive_scores(name, backbone, network, pixels)
    assert found.tolist() == pytest.approx(scores, abs=1e-5)
    for i in range(2):
        blocks = torch.stack([resized(block, SIZE) for block in patches[i]])
        assert_close(maps[i], blocks.mean(dim=0), rtol=0, atol=1e-5)
    assert scorer.blocks == ({1, 2} if name == "anomalyclip" else set())


def naive_anomalyclip_loss(maps: Tensor, mask: Tensor) -> float:
    """focal + dice + dice of one block over a batch, pixel by pixel (arXiv:2310.18961, eq. 3)."""
    focal, pixels, dice = 0.0, 0, 0.0
    for image, truth in zip(maps.tolist(), mask.tolist(), strict=True):
        sums = {"a": [0.0, 0.0, 0.0], "n": [0.0, 0.0, 0.0]}
        for row, truth_row in zip(image, truth, strict=True):
            for p, g in zip(row, truth_row, strict=True):
                target = min(max(g, 1e-5), 1 - 1e-5)
                pt = target * p + (1 - target) * (1 - p) + 1e-5
                focal -= (1 - pt) ** 2 * float(torch.log(torch.tensor(pt, dtype=torch.float64)))
                pixels += 1
                for key, value, wanted in (("a", p, g), ("n", 1 - p, 1 - g)):
                    for place, term in enumerate((value * wanted, value, wanted)):
                        sums[key][place] += term
        for overlap, predicted, true in sums.values():
            dice += (1 - (2 * overlap + 1) / (predicted + true + 1)) / len(maps)
    return focal / pixels + dice


@pytest.mark.parametrize("name", ["coop", "anomalyclip"])
def test_the_loss_by_loops(name: str, backbone: Backbone) -> None:
    network, pixels = make(name, backbone), images(2)
    method = get_method(name)
    image, patches = method.kind.reading(backbone).of(
        backbone.clip.visual.dual(pixels, method.kind.reading(backbone).blocks or None)
    )
    masks = torch.zeros(2, SIZE, SIZE)
    masks[1, 10:30, 20:50] = 1
    targets = Targets(torch.tensor([0, 1]), masks, torch.ones(2).bool())
    weights = {
        key: value for key, value in {**method.defaults, **method.fixed}.items() if "weight" in key
    }
    found = network.losses(network(image, patches), targets, LossConfig(**weights))
    scores, by_image = naive_scores(name, backbone, network, pixels)
    chances = torch.tensor([1 - scores[0], scores[1]], dtype=torch.float64)
    expected = float(-chances.log().mean())
    if name == "anomalyclip":
        for block in range(2):
            maps = torch.stack([resized(patches[block], SIZE) for patches in by_image])
            expected += 4 * naive_anomalyclip_loss(maps, masks)
    assert found.total.item() == pytest.approx(expected, abs=1e-5)


def test_an_unknown_mask_leaves_its_image_out_of_the_local_loss(backbone: Backbone) -> None:
    network, pixels = make("anomalyclip", backbone), images(2)
    dual = backbone.clip.visual.dual(pixels, [1, 2])
    image, patches = get_method("anomalyclip").kind.reading(backbone).of(dual)
    masks = torch.zeros(2, SIZE, SIZE)
    labels = torch.tensor([0, 1])

    def local(known: list[bool]) -> Tensor:
        targets = Targets(labels, masks, torch.tensor(known))
        return network.losses(network(image, patches), targets, LossConfig()).local

    alone = network.losses(
        network(image[:1], patches[:1]),
        Targets(labels[:1], masks[:1], torch.tensor([True])),
        LossConfig(),
    )
    assert_close(local([True, False]), alone.local)
    assert local([False, False]).item() == 0


def test_quarters_of_every_registered_tower() -> None:
    found = {name: local_blocks(spec) for name, spec in REGISTRY.items()}
    assert found["ViT-L-14-336"] == (5, 11, 17, 23)  # the published 6, 12, 18, 24
    assert found["tiny"] == (1, 3, 5, 7)
    assert found["ViT-B-16"] == (2, 5, 8, 11)
    assert found["LAION-ViT-H-14"] == (7, 15, 23, 31)
    assert local_blocks(SPEC) == (1, 2)  # of 3 blocks, the last 2 with a local stream


def published(backbone: Backbone, network: LearnedPair) -> dict[str, Tensor]:
    """The state that the released code saves, with its copies and what nothing uses."""
    own = network.learner.state_dict()
    table, context = backbone.clip.text.token_embedding.weight, backbone.spec.context_length
    state = {
        "ctx_pos": own["normal_tokens"][None, None].clone(),
        "ctx_neg": own["abnormal_tokens"][None, None].clone(),
    }
    for j, tokens in enumerate(own["deep_tokens"]):
        state[f"compound_prompts_text.{j}"] = tokens.clone()
        state[f"compound_prompt_projections.{j}.weight"] = torch.zeros(7, tokens.shape[1])
        state[f"compound_prompt_projections.{j}.bias"] = torch.zeros(7)
    for side, text in (("pos", "object."), ("neg", "damaged object.")):
        count = state[f"ctx_{side}"].shape[2]
        ids = [1, *[9] * count, *words(text)[1:]]  # placeholder words where tokens are learned
        full = torch.tensor(ids + [0] * (context - len(ids)))
        state[f"token_prefix_{side}"] = table[full[:1]][None, None].clone()
        state[f"token_suffix_{side}"] = table[full[1 + count :]][None, None].clone()
        state[f"tokenized_prompts_{side}"] = full[None, None].int()
    return state


def saved(path: Path, state: object) -> Path:
    torch.save({"prompt_learner": state}, path)
    return path


def test_a_published_checkpoint_scores_as_its_tokens_do(backbone: Backbone, tmp_path: Path) -> None:
    network = make("anomalyclip", backbone)
    network.learner.fp16_deep_prompts = True  # type: ignore[assignment]  # as the released code
    path = saved(tmp_path / "epoch_15.pth", published(backbone, network))
    method, output = get_method("anomalyclip"), Output(input_size=SIZE, blur_sigma=4)
    scorer = method.scorer(backbone, path, input_size=SIZE, blur_sigma=4)
    direct = FeatureScorer(network, method.kind.reading(backbone), output)
    seen = see(backbone, scorer, images(2))
    for found, expected in zip(scorer.score(seen), direct.score(seen), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("ctx_neg"), r"\['ctx_neg'\] are missing or unknown"),
        (
            lambda s: s.update({"patch_meta_net.linear1.weight": torch.zeros(2, 2)}),
            r"\['patch_meta_net.linear1.weight'\] are missing or unknown; is this another method",
        ),
        (
            lambda s: s.update(ctx_pos=torch.zeros(1, 2, 6, 24)),
            r"ctx_pos has shape \(1, 2, 6, 24\), needed is \(1, 1, E, W\)",
        ),
        (
            lambda s: s.update({"compound_prompts_text.1": torch.zeros(3, 24)}),
            r"deep prompts have shapes \[\(3, 24\), \(4, 24\)\]",
        ),
        (lambda s: s["ctx_pos"].fill_(float("nan")), "ctx_pos holds values that are not finite"),
        (
            lambda s: s["token_suffix_pos"].add_(1),
            "token_suffix_pos .* differs from the token table of this backbone",
        ),
        (lambda s: s["tokenized_prompts_neg"].add_(1), "tokenized_prompts_neg differs"),
    ],
)
def test_what_is_no_published_checkpoint_is_named(
    change: Callable[[dict[str, Tensor]], object],
    message: str,
    backbone: Backbone,
    tmp_path: Path,
) -> None:
    state = published(backbone, make("anomalyclip", backbone))
    change(state)
    path = saved(tmp_path / "epoch_15.pth", state)
    with pytest.raises(CheckpointError, match=rf"epoch_15\.pth: .*{message}"):
        get_method("anomalyclip").scorer(backbone, path, input_size=SIZE, blur_sigma=4)


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


def test_nothing_of_a_published_file_is_run(
    backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    state: dict[str, Any] = {**published(backbone, make("anomalyclip", backbone)), "x": Evil()}
    path = saved(tmp_path / "evil.pth", state)
    with pytest.raises(WeightsError, match=r"evil\.pth"):
        get_method("anomalyclip").scorer(backbone, path, input_size=SIZE, blur_sigma=4)
    assert not (tmp_path / "touched").exists()
    with pytest.raises(FAPromptError, match=r"gone\.pth: no such file"):
        get_method("anomalyclip").scorer(
            backbone, tmp_path / "gone.pth", input_size=SIZE, blur_sigma=4
        )
