"""Checkpoints of the released code: compared with the backbone, renamed, scoring as before."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.errors import CheckpointError, ConfigError, WeightsError
from faprompt.method.checkpoint import build_network, read_checkpoint, save_checkpoint
from faprompt.method.golden_case import GoldenCase
from faprompt.method.importing import import_released
from faprompt.method.verification import packaged_case, read_arrays

CASE = GoldenCase()
W = CASE.embed
PLACEHOLDER_N, PLACEHOLDER_A = 333, 320  # what the released code writes where tokens are learned
NORMAL = [49406, *[PLACEHOLDER_N] * 5, 14115, 269, 49407]
ABNORMAL = [49406, *[PLACEHOLDER_N] * 5, *[PLACEHOLDER_A] * 2, 13568, 14115, 269, 49407]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(CASE.clip(), CASE.spec, "checksum", "recipe")


def padded(ids: list[int]) -> Tensor:
    return torch.tensor(ids + [0] * (77 - len(ids)))


@pytest.fixture
def released(backbone: Backbone) -> dict[str, Tensor]:
    """The whole state of a released prompt learner, names and shapes as saved there."""
    table = backbone.clip.text.token_embedding.weight.detach()
    normal, abnormal = table[padded(NORMAL)], table[padded(ABNORMAL)]
    state = CASE.released_learnables()
    for j in range(8):
        state[f"compound_prompt_projections.{j}.weight"] = torch.zeros(896, W)
        state[f"compound_prompt_projections.{j}.bias"] = torch.zeros(896)
    return state | {
        "token_prefix_pos": normal[None, None, :1],
        "token_suffix_pos": normal[None, None, 6:],
        "token_prefix_neg": abnormal[None, None, :1].repeat(1, 10, 1, 1),
        "token_suffix_neg": abnormal[None, None, 8:].repeat(1, 10, 1, 1),
        "tokenized_prompts_pos": padded(NORMAL)[None, None],
        "tokenized_prompts_neg": padded(ABNORMAL).repeat(1, 10, 1),
    }


def write(path: Path, state: Any) -> Path:
    torch.save({"prompt_learner": state}, path)
    return path


def test_shapes_are_those_of_the_released_code(released: dict[str, Tensor]) -> None:
    shapes = {name: tuple(tensor.shape) for name, tensor in released.items()}
    assert shapes["token_suffix_pos"] == (1, 1, 71, W)
    assert shapes["token_suffix_neg"] == (1, 10, 69, W)
    assert shapes["tokenized_prompts_neg"] == (1, 10, 77)


@pytest.mark.parametrize("preset", ["released", "paper"])
@pytest.mark.parametrize("legacy", [False, True])
def test_imported_prompts_give_the_golden_scores(
    preset: str, legacy: bool, released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    file = tmp_path / "epoch_15.pth"
    torch.save({"prompt_learner": released}, file, _use_new_zipfile_serialization=not legacy)
    imported = import_released(file, backbone, preset=preset)
    path = tmp_path / "ours.safetensors"
    save_checkpoint(path, imported.state, imported.header)
    network = build_network(*read_checkpoint(path), backbone, path=path)
    with torch.no_grad():
        dual = backbone.clip.visual.dual(CASE.images())
        scores = network(dual.image, dual.patches())
        maps = scores.anomaly_map(CASE.size, blur_sigma=network.config.blur_sigma)
    golden = read_arrays(packaged_case(preset))
    np.testing.assert_allclose(scores.image_score, golden["image_score"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(maps, golden["anomaly_map"], rtol=0, atol=1e-4)


def test_the_header_says_where_the_prompts_are_from(
    released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    imported = import_released(write(tmp_path / "epoch_15.pth", released), backbone)
    header = imported.header
    assert header.method == MethodConfig.preset("released")  # deduced, and the paper's sizes
    assert (header.backbone, header.backbone_checksum) == ("golden", "checksum")
    assert (header.epoch, header.origin) == (0, "imported from epoch_15.pth")
    assert (header.input_size, header.colour_limits) == (98, (0.5, 1.0))
    assert len(imported.dropped) == 16
    assert imported.dropped[0] == "compound_prompt_projections.0.bias"
    assert len(imported.compared) == 6


def test_other_sizes_are_deduced_from_the_shapes(backbone: Backbone, tmp_path: Path) -> None:
    state = {
        "ctx_pos": torch.ones(1, 1, 6, W),
        "ctx_neg": torch.ones(1, 4, 3, W),
        "compound_prompts_text.0": torch.ones(2, W),
        "compound_prompts_text.1": torch.ones(2, W),
        "patch_meta_net.linear1.weight": torch.ones(7 * W // 8, 7 * W),
        "patch_meta_net.linear1.bias": torch.ones(7 * W // 8),
        "patch_meta_net.linear2.weight": torch.ones(W, 7 * W // 8),
        "patch_meta_net.linear2.bias": torch.ones(W),
    }
    imported = import_released(
        write(tmp_path / "a.pth", state), backbone, changes={"blur_sigma": 4.0}, input_size=56
    )
    assert imported.header.method == MethodConfig.preset(
        "released", num_normal_tokens=6, num_abnormality_prompts=4, num_abnormal_tokens=3,
        num_deep_prompts=2, deep_prompt_length=2, num_prior_patches=7, prior_reduction=8,
        blur_sigma=4.0,
    )  # fmt: skip
    assert imported.header.input_size == 56
    assert (imported.compared, imported.dropped) == ([], [])


def test_copies_that_went_through_fp16_agree(
    released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    frozen = ("token_prefix", "token_suffix")
    half = {n: t.half() if n.startswith(frozen) else t for n, t in released.items()}
    import_released(write(tmp_path / "a.pth", half), backbone)


def _other_table(name: str) -> Callable[[dict[str, Tensor]], None]:
    def change(state: dict[str, Tensor]) -> None:
        state[name] = state[name] * 1.01

    return change


def _other_token(name: str, place: int) -> Callable[[dict[str, Tensor]], None]:
    def change(state: dict[str, Tensor]) -> None:
        state[name] = state[name].clone()
        state[name][..., place] += 1

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *[
            (_other_table(name), rf"{name} .* differs from the token table .* --backbone")
            for name in (
                "token_prefix_pos", "token_suffix_pos", "token_prefix_neg", "token_suffix_neg"
            )
        ],
        *[
            (_other_token("tokenized_prompts_pos", i), "tokenized_prompts_pos differs")
            for i in (0, 6, 7, 8, 76)
        ],
        (_other_token("tokenized_prompts_neg", 8), "tokenized_prompts_neg differs"),
        (lambda s: s.update(token_suffix_pos=torch.zeros(1, 1, 70, W)), "token_suffix_pos"),
        (lambda s: s.update(token_prefix_pos=torch.zeros(3)), "token_prefix_pos"),
        (lambda s: s.update(tokenized_prompts_pos=torch.zeros(1, 1, 32)), "another vocabulary"),
        (lambda s: s.pop("ctx_pos"), "no 'ctx_pos'"),
        (lambda s: s.pop("compound_prompts_text.3"), r"no 'compound_prompts_text\.7|text\.3"),
        (lambda s: s.update(ctx_neg=torch.zeros(10, 2, W)), r"ctx_neg .* \(1, K, E', W\)"),
        (lambda s: s.update(more=torch.zeros(1)), r"unknown tensors \['more'\]"),
        (
            lambda s: s.update({"compound_prompts_text.2": torch.zeros(3, W)}),
            "deep prompts of different shapes",
        ),
        (
            lambda s: s.update({"patch_meta_net.linear2.bias": torch.zeros(W + 1)}),
            r"prior\.linear2\.bias has shape \(129,\), needed is \(128,\)",
        ),
        (
            lambda s: s.update({"patch_meta_net.linear1.weight": torch.zeros(80, 1281)}),
            "reads 1281 values, which is not a number of patches 128 wide",
        ),
        (lambda s: s["ctx_pos"].fill_(float("inf")), "ctx_pos holds values that are not finite"),
        (lambda s: s.update(ctx_pos=3), "ctx_pos is a int, not a tensor"),
    ],
)  # fmt: skip
def test_what_does_not_belong_is_refused_by_name(
    change: Callable[..., Any],
    message: str,
    released: dict[str, Tensor],
    backbone: Backbone,
    tmp_path: Path,
) -> None:
    change(released)
    with pytest.raises(CheckpointError, match=rf"a\.pth: .*({message})"):
        import_released(write(tmp_path / "a.pth", released), backbone)


def test_placeholder_words_may_be_any(
    released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    for place in (1, 5):
        _other_token("tokenized_prompts_pos", place)(released)
    for place in (1, 5, 6, 7):
        _other_token("tokenized_prompts_neg", place)(released)
    import_released(write(tmp_path / "a.pth", released), backbone)


def test_another_backbone_is_refused(
    released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    other = replace(CASE, seed=8)
    file = write(tmp_path / "a.pth", released)
    with pytest.raises(CheckpointError, match=r"learned on another one; name it with --backbone"):
        import_released(file, Backbone(other.clip(), other.spec, "other", "other"))


def test_files_that_are_no_released_checkpoint(backbone: Backbone, tmp_path: Path) -> None:
    torch.save({"state_dict": {}, "epoch": 3}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"it holds 'state_dict', 'epoch'; needed is 'prompt"):
        import_released(tmp_path / "a.pth", backbone)
    (tmp_path / "b.pth").write_bytes(b"garbage")
    with pytest.raises(WeightsError, match=r"b\.pth"):
        import_released(tmp_path / "b.pth", backbone)
    with pytest.raises(CheckpointError, match=r"c\.pth: no such file"):
        import_released(tmp_path / "c.pth", backbone)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_not_run(
    legacy: bool, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"prompt_learner": _Evil()}, "a.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(WeightsError, match=r"a\.pth: refused.*Nothing of it was run"):
        import_released(tmp_path / "a.pth", backbone)
    assert not (tmp_path / "touched").exists()


def test_settings_that_the_tensors_tell_cannot_be_given(
    released: dict[str, Tensor], backbone: Backbone, tmp_path: Path
) -> None:
    file = write(tmp_path / "a.pth", released)
    with pytest.raises(ConfigError, match=r"num_prior_patches: told by the tensors of .*a\.pth"):
        import_released(file, backbone, changes={"num_prior_patches": 3})
