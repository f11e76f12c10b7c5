"""Compare this machine's results with the golden values of the released code.

Bounds at fp32 on a CPU are those of the files' README. On a GPU sums are taken in another
order, and in bf16 numbers carry 8 bits of mantissa, so both have bounds of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray

from faprompt.clip.image_encoder import DualFeatures
from faprompt.config import LossConfig, MethodConfig, TrainingConfig
from faprompt.errors import CheckpointError
from faprompt.method.golden_case import DEEP_SETS, GoldenCase
from faprompt.method.losses import Losses, Targets
from faprompt.method.network import FAPrompt, Scores
from faprompt.method.released import DEEP_OURS, LEARNABLE_NAMES, to_learner_state
from faprompt.method.scoring import anomaly_map

Arrays = dict[str, NDArray[np.floating] | NDArray[np.integer]]

TRAINING_STEPS = 3

# (absolute, relative) tolerance per array at fp32 on a CPU.
_FP32: dict[str, tuple[float, float]] = {
    "image_features": (1e-4, 0),
    "patch_features": (1e-4, 0),
    "normal_text": (1e-5, 0),
    "abnormal_text": (1e-5, 0),
    "orthogonality_loss": (0, 5e-6),
    "topk": (0, 0),
    "prior": (1e-4, 0),
    "adapted_text": (1e-5, 0),
    "logits": (1e-4, 0),
    "image_score": (1e-5, 0),
    "anomaly_map_raw": (1e-4, 0),
    "anomaly_map": (1e-4, 0),
    "train_total": (0, 1e-5),
    "trained_image_score": (3e-5, 0),
    "trained_anomaly_map_mean": (3e-5, 0),
}
_FP32_LOSS = (0.0, 5e-6)
_FP32_GRADIENT_NORM = (0.0, 2e-4)

# bf16 rounds to 2^-9 relative; over 24 blocks the features deviate by a few per cent, after
# which near ties among patches may be ordered differently: `topk`, and what three optimiser
# steps make of it, are not compared. About three times the deviation measured on the golden cases.
_BF16: dict[str, tuple[float, float]] = {
    "image_features": (0.6, 0),
    "patch_features": (0.15, 0),
    "normal_text": (0.12, 0),
    "abnormal_text": (0.12, 0),
    "orthogonality_loss": (0, 1e-3),
    "prior": (0.3, 0),
    "adapted_text": (0.03, 0),
    "logits": (0.2, 0),
    "image_score": (0.03, 0),
    "anomaly_map_raw": (0.03, 0),
    "anomaly_map": (0.02, 0),
}

CUDA_FACTOR = 10.0
"""Bounds on a GPU in fp32 are this much wider: another order of summation."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """How one array compares with its golden values."""

    name: str
    largest: float
    """Largest absolute deviation; for losses and gradient norms the largest relative one."""
    bound: float
    relative: bool
    expected_shape: tuple[int, ...]

    @property
    def within(self) -> bool:
        """Whether the deviation is a number and within its bound."""
        return self.largest <= self.bound  # False for NaN


def packaged_case(preset: str) -> Path:
    """The packaged golden file of a preset's gather."""
    name = {"paper": "small_paper_gather.npz", "released": "small_released.npz"}[preset]
    return Path(str(files("faprompt").joinpath("assets", "golden", name)))


def read_arrays(path: Path) -> Arrays:
    """Read a golden file; pickled content is refused.

    Raises:
        CheckpointError: not a readable .npz file of plain arrays.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, AttributeError, BadZipFile) as error:
        raise CheckpointError(f"{path}: not a readable .npz file of arrays ({error})") from None


def verify(
    case: GoldenCase,
    golden: Mapping[str, NDArray[np.generic]],
    *,
    preset: str,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Iterator[Deviation]:
    """Compute the case and compare every array that ``golden`` has and a bound exists for.

    ``preset`` selects the gather alone; sigmoid and fp16 rounding are always as in the files.
    """
    computed = compute(case, preset=preset, device=device, dtype=dtype)
    for name, expected in golden.items():
        bound = bound_of(name, device=device, dtype=dtype)
        if bound is None or name not in computed:
            continue
        yield compare(name, computed[name], expected, bound)


def bound_of(name: str, *, device: str, dtype: torch.dtype) -> tuple[float, float] | None:
    """(absolute, relative) tolerance of an array, None where it is not compared."""
    if dtype == torch.bfloat16:
        return _BF16.get(name)
    factor = CUDA_FACTOR if torch.device(device).type == "cuda" else 1.0
    if name.startswith("loss_"):
        bound = _FP32_LOSS
    elif name.startswith("gradnorm_"):
        bound = _FP32_GRADIENT_NORM
    elif name in _FP32:
        bound = _FP32[name]
    else:
        return None
    return factor * bound[0], factor * bound[1]


def compare(
    name: str,
    found: NDArray[np.generic],
    expected: NDArray[np.generic],
    bound: tuple[float, float],
) -> Deviation:
    """Largest deviation of one array; of different shapes it is NaN and never within."""
    absolute, relative = bound
    if found.shape != expected.shape:
        largest = float("nan")
    else:
        difference = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        scale = np.abs(expected.astype(np.float64)) if relative else 1.0
        largest = float(np.max(difference / np.maximum(scale, 1e-12), initial=0.0))
    return Deviation(
        name=name,
        largest=largest,
        bound=relative or absolute,
        relative=bool(relative),
        expected_shape=expected.shape,
    )


def compute(case: GoldenCase, *, preset: str, device: str, dtype: torch.dtype) -> Arrays:
    """Run the case: features, scores, one backward pass and three training steps."""
    gather = MethodConfig.preset(preset).prior_gather
    config = MethodConfig.preset("released", prior_gather=gather)
    clip = case.clip().to(device=device, dtype=dtype)
    network = FAPrompt(clip, config).to(device)
    network.learner.load_state_dict(to_learner_state(case.released_learnables()))
    network.learner.float()
    with torch.no_grad():
        features = clip.visual.dual(case.images().to(device))
        scores = network(features.image, features.patches())
        arrays = _feature_arrays(features, scores, case, config)
    return arrays | _training_arrays(network, features, case, config)


def _feature_arrays(
    features: DualFeatures, scores: Scores, case: GoldenCase, config: MethodConfig
) -> Arrays:
    first, second = scores.first[..., 1], scores.second[..., 1]
    maps = {
        "anomaly_map_raw": anomaly_map(first, second, size=case.size, blur_sigma=0),
        "anomaly_map": scores.anomaly_map(case.size, blur_sigma=config.blur_sigma),
    }
    tensors = maps | {
        "image_features": features.image,
        "patch_features": features.local[max(features.local)],
        "normal_text": scores.text.normal,
        "abnormal_text": scores.text.abnormal,
        "topk": scores.top_patches,
        "prior": scores.prior,
        "adapted_text": scores.prototypes,
        "logits": scores.image_logits,
        "image_score": scores.image_score,
    }
    return {
        name: (t if t.dtype == torch.int64 else t.float()).cpu().numpy()
        for name, t in tensors.items()
    }


def _training_arrays(
    network: FAPrompt, features: DualFeatures, case: GoldenCase, config: MethodConfig
) -> Arrays:
    device = features.image.device
    targets = Targets(
        labels=case.labels().to(device),
        masks=case.masks().to(device),
        known=torch.ones(case.batch, dtype=torch.bool, device=device),
    )
    training = TrainingConfig()
    optimiser = torch.optim.Adam(
        network.learner.parameters(),
        lr=training.learning_rate,
        betas=(training.beta1, training.beta2),
    )
    arrays: Arrays = {}
    totals = []
    for step in range(TRAINING_STEPS):
        losses = network.losses(network(features.image, features.patches()), targets, LossConfig())
        optimiser.zero_grad()
        losses.total.backward()
        if step == 0:
            arrays |= _loss_arrays(losses) | _gradient_norms(network)
        totals.append(losses.total.item())
        optimiser.step()
    with torch.no_grad():
        trained = network(features.image, features.patches())
        maps = trained.anomaly_map(case.size, blur_sigma=config.blur_sigma)
    return arrays | {
        "train_total": np.array(totals),
        "trained_image_score": trained.image_score.cpu().numpy(),
        "trained_anomaly_map_mean": maps.mean(dim=(1, 2)).cpu().numpy(),
    }


def _loss_arrays(losses: Losses) -> Arrays:
    parts = ("local", "image_ce", "image_focal", "orthogonality", "prior", "total")
    arrays: Arrays = {f"loss_{p}": getattr(losses, p).detach().cpu().numpy() for p in parts}
    return arrays | {"orthogonality_loss": arrays["loss_orthogonality"]}


def _gradient_norms(network: FAPrompt) -> Arrays:
    parameters = dict(network.learner.named_parameters())
    gradients = {name: parameters[ours].grad for name, ours in LEARNABLE_NAMES.items()}
    deep = parameters[DEEP_OURS].grad
    assert deep is not None
    gradients |= {f"compound_prompts_text.{j}": deep[j] for j in range(DEEP_SETS)}
    return {
        f"gradnorm_{name}": gradient.norm().cpu().numpy()
        for name, gradient in gradients.items()
        if gradient is not None
    }
