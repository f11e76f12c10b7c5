"""Golden values of the released code, and proof that planted faults are seen."""

import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from faprompt.clip import attention, image_encoder
from faprompt.errors import CheckpointError, ConfigError
from faprompt.method import losses, network, prompts, scoring, verification
from faprompt.method.golden_case import GoldenCase
from faprompt.method.prior import most_abnormal_patches
from faprompt.method.verification import (
    compare,
    compute,
    packaged_case,
    read_arrays,
    verify,
)

Patch = pytest.MonkeyPatch


@pytest.mark.parametrize("preset", ["paper", "released"])
def test_every_golden_array_is_within_its_bound(preset: str) -> None:
    golden = read_arrays(packaged_case(preset))
    deviations = list(verify(GoldenCase(), golden, preset=preset))
    assert {d.name for d in deviations} == set(golden)
    assert [d for d in deviations if not d.within] == []


def test_bf16_stays_within_its_own_bounds() -> None:
    golden = read_arrays(packaged_case("paper"))
    deviations = list(verify(GoldenCase(), golden, preset="paper", dtype=torch.bfloat16))
    assert len(deviations) == 11
    assert [d for d in deviations if not d.within] == []


def _replace(module: object, name: str, function: Callable[..., object]) -> Callable[[Patch], None]:
    return lambda patch: patch.setattr(module, name, function)


def _with(module: object, name: str, **fixed: object) -> Callable[[Patch], None]:
    original = getattr(module, name)
    return _replace(module, name, lambda *a, **k: original(*a, **(k | fixed)))


def _qk_instead_of_vv(patch: Patch) -> None:
    def dual(
        self: attention.Attention, x: Tensor, queries: int | None = None
    ) -> tuple[Tensor, Tensor]:
        ordinary = self(x)
        return ordinary[:, :queries], ordinary

    patch.setattr(attention.Attention, "dual", dual)


def _local_stream_reads_itself(patch: Patch) -> None:
    original = attention.ResidualBlock.dual

    def dual(
        self: attention.ResidualBlock, x: Tensor, local: Tensor, queries: int | None = None
    ) -> tuple[Tensor, Tensor]:
        return original(self, x, local, queries)[0], local + self.attn.dual(self.ln_1(local))[1]

    patch.setattr(attention.ResidualBlock, "dual", dual)


def _cubic_positions(patch: Patch) -> None:
    patch.setattr(
        image_encoder, "interpolate", lambda x, **k: interpolate(x, **(k | {"mode": "bicubic"}))
    )


def _prior_moves_the_words(patch: Patch) -> None:
    original = prompts.CompoundPrompts.abnormal

    def abnormal(
        self: prompts.CompoundPrompts, words: Tensor, prior: Tensor | None = None
    ) -> Tensor:
        out = original(self, words, prior)
        if prior is None:
            return out
        return torch.cat([out[:, :, :2], out[:, :, 2:4] + prior[:, None, None], out[:, :, 4:]], 2)

    patch.setattr(prompts.CompoundPrompts, "abnormal", abnormal)


def _no_fp16_rounding(patch: Patch) -> None:
    patch.setattr(prompts.CompoundPrompts, "deep", lambda self: self.deep_tokens)


def _gelu(patch: Patch) -> None:
    original = attention.Mlp.__init__

    def init(self: attention.Mlp, width: int, **_: bool) -> None:
        original(self, width, quick_gelu=False)

    patch.setattr(attention.Mlp, "__init__", init)


def _lowest_patches(patch: Patch) -> None:
    patch.setattr(network, "most_abnormal_patches", lambda a, m: most_abnormal_patches(1 - a, m))


def _zero_border(patch: Patch) -> None:
    def blur(size: int, sigma: float) -> Tensor:
        return torch.eye(size, dtype=torch.float64) if sigma <= 0 else full(size, sigma)

    def full(size: int, sigma: float) -> Tensor:
        x = torch.arange(size).double()
        kernel = torch.exp(-0.5 * ((x[:, None] - x) / sigma) ** 2)
        density: Tensor = kernel / (sigma * (2 * torch.pi) ** 0.5)
        return density

    patch.setattr(scoring, "blur_matrix", blur)
    scoring.resize_and_blur_matrix.cache_clear()


FAULTS: dict[str, tuple[Callable[[Patch], None], str]] = {
    "q-k attention in the local path": (_qk_instead_of_vv, "patch_features"),
    "local stream attends to itself": (_local_stream_reads_itself, "patch_features"),
    "bicubic position embeddings": (_cubic_positions, "image_features"),
    "GELU instead of QuickGELU": (_gelu, "normal_text"),
    "deep prompts one block late": (
        lambda p: p.setattr(
            prompts.CompoundPrompts, "deep", lambda self: self.deep_tokens.roll(1, dims=0)
        ),
        "abnormal_text",
    ),
    "least abnormal patches": (_lowest_patches, "topk"),
    "prior moves the words": (_prior_moves_the_words, "adapted_text"),
    "upsampling with aligned corners": (
        _with(scoring, "interpolate", align_corners=True),
        "anomaly_map_raw",
    ),
    "zero border of the blur": (_zero_border, "anomaly_map"),
    "unsmoothed focal loss": (_with(losses, "focal_loss", smoothing=0.0), "loss_local"),
    "unsmoothed dice loss": (_with(losses, "dice_losses", smoothing=0.0), "loss_local"),
    "image focal loss on the probability": (
        _with(losses, "image_focal_loss", on="probability"),
        "loss_image_focal",
    ),
    "no fp16 rounding of deep prompts": (_no_fp16_rounding, "train_total"),
    "prior loss on anomalous images": (
        _replace(losses, "prior_loss", lambda prior, _: prior.square().mean(1).sum()),
        "loss_prior",
    ),
    "orthogonality on un-normalised features": (
        _replace(losses, "orthogonality_loss", lambda f: (f @ f.T).abs().triu(1).sum()),
        "loss_orthogonality",
    ),
    "second round maximum counted twice": (
        _replace(
            scoring,
            "image_score",
            lambda p, a, b: 0.5 * (p + (a.amax(1) + 2 * b.amax(1)) / 3),
        ),
        "image_score",
    ),
    "masks shifted by one row": (
        lambda p: p.setattr(
            GoldenCase,
            "masks",
            lambda self, get=GoldenCase.masks: get(self).roll(1, dims=1),
        ),
        "loss_local",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_planted_fault_is_seen(fault: str, monkeypatch: Patch) -> None:
    plant, array = FAULTS[fault]
    plant(monkeypatch)
    try:
        golden = read_arrays(packaged_case("paper"))
        deviations = {d.name: d for d in verify(GoldenCase(), golden, preset="paper")}
    finally:
        scoring.resize_and_blur_matrix.cache_clear()
    assert not deviations[array].within, f"{fault} passed: {deviations[array]}"


def test_the_gather_is_what_tells_the_two_files_apart() -> None:
    golden = read_arrays(packaged_case("released"))
    deviations = {d.name: d for d in verify(GoldenCase(), golden, preset="paper")}
    assert deviations["topk"].within
    assert not deviations["prior"].within


def test_other_cases_of_the_recipe_run(tmp_path: Path) -> None:
    values = {
        "seed": 3, "embed": 64, "native": 32, "vlayers": 20, "vwidth": 192, "patch": 16,
        "tlayers": 9, "batch": 2, "size": 80,
    }  # fmt: skip
    path = tmp_path / "case.json"
    path.write_text(json.dumps(values))
    case = GoldenCase.read(path)
    assert case == GoldenCase(**values)
    arrays = compute(case, preset="released", device="cpu", dtype=torch.float32)
    assert arrays["patch_features"].shape == (2, 26, 64)
    assert np.isfinite(arrays["train_total"]).all()


def test_recipe_is_the_readme_s() -> None:
    """Values computed by hand from the recipe: seed and crc32 of the name."""
    expected = np.random.default_rng([7, 3760176746]).standard_normal(2)
    assert zlib.crc32(b"images") == 3760176746
    assert GoldenCase().normal("images", (2,)).tolist() == pytest.approx(expected.tolist())
    masks = GoldenCase().masks()
    assert masks.sum(dim=(1, 2)).tolist() == [0, 32 * 24, 0]
    assert masks[1, 24:56, 19:43].all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"vlayers": 19}, "vlayers must be a whole number of at least 20, got 19"),
        ({"tlayers": 8}, "tlayers must be a whole number of at least 9"),
        ({"embed": 100}, "embed must be a multiple of 64"),
        ({"size": 99}, "size must be a multiple of 14"),
        ({"vlayer": 24}, "unknown setting 'vlayer'; did you mean 'vlayers'"),
    ],
)
def test_impossible_cases_are_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GoldenCase.from_dict(values, where="case.json")


def test_shape_and_nan_are_never_within() -> None:
    a, b = np.zeros(3), np.zeros(4)
    assert not compare("x", a, b, (1.0, 0)).within
    assert not compare("x", np.array([np.nan]), np.zeros(1), (1.0, 0)).within


def test_damaged_golden_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(CheckpointError, match=r"g\.npz: not a readable"):
        read_arrays(path)


def test_bounds_exist_for_every_packaged_array() -> None:
    for name in read_arrays(packaged_case("paper")):
        assert verification.bound_of(name, device="cpu", dtype=torch.float32) is not None
