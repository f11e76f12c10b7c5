"""CLIP, its ensemble and WinCLIP against loops written from the papers."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from micro_rivals import (
    IDS,
    images,
    make_rival_backbone,
    mean_unit,
    probability,
    resized,
    see,
    text_feature,
)
from micro_training import make_backbone
from torch import Tensor
from torch.testing import assert_close

from faprompt.clip.weights import Backbone, load_backbone
from faprompt.errors import WeightsError
from faprompt.protocol.methods import get_method
from faprompt.protocol.rivals import winclip
from faprompt.protocol.rivals.texts import (
    ABNORMAL_STATES,
    NORMAL_STATES,
    TEMPLATES,
    encode,
    ensemble,
    vocabulary,
)

SIZE = 64
TAU = 0.07


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Backbone:
    return make_rival_backbone(tmp_path_factory.mktemp("weights"))


def test_the_ensemble_is_winclips() -> None:
    assert len(set(TEMPLATES)) == 22
    assert "a photo of the small {}." in TEMPLATES
    assert "a jpeg corrupted photo of a {}." in TEMPLATES
    normal, abnormal = ensemble(NORMAL_STATES), ensemble(ABNORMAL_STATES)
    assert (len(set(normal)), len(set(abnormal))) == (154, 88)
    assert "a close-up photo of the object without defect." in normal
    assert "a photo of a damaged object for visual inspection." in abnormal
    assert all(text.count("object") == 1 and text.endswith(".") for text in normal + abnormal)


def naive_prototypes(backbone: Backbone, name: str) -> list[list[float]]:
    if name == "clip":
        texts = [["a photo of a normal object"], ["a photo of an anomalous object"]]
    else:
        texts = [ensemble(NORMAL_STATES), ensemble(ABNORMAL_STATES)]
    return [mean_unit([text_feature(backbone, text) for text in kind]) for kind in texts]


def naive_ordinary(backbone: Backbone, image: Tensor) -> Tensor:
    """Every token of an image after ordinary blocks and the last norm, (1 + L, D)."""
    visual: Any = backbone.clip.visual
    x = visual._embed(image[None])
    for block in visual.transformer.resblocks:
        x = x + block.attn(block.ln_1(x))
        x = x + block.mlp(block.ln_2(x))
    tokens: Tensor = (visual.ln_post(x) @ visual.proj)[0]
    return tokens


@pytest.mark.parametrize("name", ["clip", "clip-ac"])
def test_clip_by_loops(name: str, backbone: Backbone) -> None:
    pixels = images(2)
    scorer = get_method(name).scorer(backbone, None, input_size=SIZE, blur_sigma=0)
    scores, maps = scorer.score(see(backbone, scorer, pixels))
    normal, abnormal = naive_prototypes(backbone, name)
    for i, image in enumerate(pixels):
        token, *patches = naive_ordinary(backbone, image).tolist()
        expected = [probability(x, normal, abnormal, TAU) for x in (token, *patches)]
        assert float(scores[i]) == pytest.approx(expected[0], abs=1e-5)
        assert_close(maps[i], resized(expected[1:], SIZE), rtol=0, atol=1e-5)
    ordinary = backbone.clip.encode_image(pixels)
    assert_close(see(backbone, scorer, pixels).dual.ordinary()[:, 0], ordinary)


def test_the_local_variant_reads_what_faprompt_reads(backbone: Backbone) -> None:
    pixels = images(2)
    scorer = get_method("clip-ac-local").scorer(backbone, None, input_size=SIZE, blur_sigma=0)
    seen = see(backbone, scorer, pixels)
    scores, maps = scorer.score(seen)
    normal, abnormal = naive_prototypes(backbone, "clip-ac")
    for i in range(len(pixels)):
        image = probability(seen.dual.image[i].tolist(), normal, abnormal, TAU)
        patches = [probability(p, normal, abnormal, TAU) for p in seen.dual.patches()[i].tolist()]
        assert float(scores[i]) == pytest.approx(image, abs=1e-5)
        assert_close(maps[i], resized(patches, SIZE), rtol=0, atol=1e-5)


def naive_winclip(backbone: Backbone, image: Tensor) -> tuple[float, list[float]]:
    """Score and patch values of one image: one forward per window, no batches."""
    visual: Any = backbone.clip.visual
    normal, abnormal = naive_prototypes(backbone, "winclip")
    tokens = visual._embed(image[None])[0]
    grid = math.isqrt(len(tokens) - 1)

    def score(patches: list[int]) -> float:
        x = torch.stack([tokens[0], *(tokens[1 + p] for p in patches)])[None]
        for block in visual.transformer.resblocks:
            x = block(x)
        feature = (visual.ln_post(x[0, 0]) @ visual.proj).tolist()
        return probability(feature, normal, abnormal, TAU)

    whole = score(list(range(grid * grid)))
    inverse = [1 / whole] * (grid * grid)
    for side in (2, 3):
        held: list[list[float]] = [[] for _ in range(grid * grid)]
        for top in range(grid - side + 1):
            for left in range(grid - side + 1):
                patches = [(top + i) * grid + left + j for i in range(side) for j in range(side)]
                value = score(patches)
                for patch in patches:
                    held[patch].append(value)
        for patch, values in enumerate(held):
            inverse[patch] += 1 / (len(values) / sum(1 / v for v in values))
    return whole, [3 / total for total in inverse]


def test_winclip_by_one_forward_per_window(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winclip, "TOKENS_AT_ONCE", 40)  # several groups of windows
    pixels = images(2)
    scorer = get_method("winclip").scorer(backbone, None, input_size=SIZE, blur_sigma=0)
    scores, maps = scorer.score(see(backbone, scorer, pixels))
    for i, image in enumerate(pixels):
        score, patches = naive_winclip(backbone, image)
        assert float(scores[i]) == pytest.approx(score, abs=1e-5)
        assert_close(maps[i], resized(patches, SIZE), rtol=0, atol=1e-5)


def test_winclip_on_an_image_smaller_than_its_windows(backbone: Backbone) -> None:
    scorer = get_method("winclip").scorer(backbone, None, input_size=16, blur_sigma=0)
    scores, maps = scorer.score(see(backbone, scorer, images(2, side=16)))
    assert_close(maps, scores[:, None, None].expand(-1, 16, 16))


@pytest.mark.parametrize("name", ["clip", "clip-ac", "clip-ac-local", "winclip"])
def test_an_image_does_not_see_its_batch_and_maps_are_blurred(
    name: str, backbone: Backbone
) -> None:
    pixels = images(3)
    scorer = get_method(name).scorer(backbone, None, input_size=SIZE, blur_sigma=4)
    scores, maps = scorer.score(see(backbone, scorer, pixels))
    score, alone = scorer.score(see(backbone, scorer, pixels[1:2]))
    assert_close(score, scores[1:2], rtol=0, atol=1e-6)
    assert_close(alone, maps[1:2], rtol=0, atol=1e-6)
    assert (scores.shape, maps.shape) == ((3,), (3, SIZE, SIZE))
    sharp = get_method(name).scorer(backbone, None, input_size=SIZE, blur_sigma=0)
    assert maps.std() < sharp.score(see(backbone, sharp, pixels))[1].std()


@pytest.mark.parametrize("name", ["clip", "clip-ac", "clip-ac-local", "winclip"])
def test_methods_that_do_not_learn_run_on_the_embedded_backbone(name: str) -> None:
    tiny = load_backbone("tiny")
    scorer = get_method(name).scorer(tiny, None, input_size=64, blur_sigma=2)
    scores, maps = scorer.score(see(tiny, scorer, images(1)))
    assert 0 < float(scores) < 1
    assert bool(((maps >= 0) & (maps <= 1)).all())


def test_texts_are_those_of_the_vocabulary(backbone: Backbone) -> None:
    tokenizer = vocabulary(backbone)
    assert tokenizer.ids("a close-up photo.") == [
        IDS[word] for word in ("a", "close", "-", "up", "photo", ".")
    ]
    assert IDS["[UNK]"] not in tokenizer.encode(ensemble(NORMAL_STATES), 24)[:, :8]


def test_without_a_vocabulary_the_message_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"micro: a vocabulary is needed .* beside the weights"):
        encode(make_backbone(), ["object"])
