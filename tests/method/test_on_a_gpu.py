"""All that runs on a GPU, on one that is only imagined: no tensor strays, and nothing waits.

Imagined (fake) tensors have shapes and a device and no values: an operation on tensors of two
devices is refused as on a real GPU, and so is whatever asks for a value, which would wait for it.
torch without CUDA cannot imagine CUDA itself; ``lazy`` is a device like any other to it.
"""

from collections.abc import Iterator
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from faprompt.clip.compute import exact_convolutions
from faprompt.clip.image_encoder import ImageEncoder
from faprompt.clip.registry import get_spec
from faprompt.clip.shapes import empty_clip
from faprompt.config import LossConfig, MethodConfig
from faprompt.detection.references import ReferenceMemory, normalised
from faprompt.method import scoring
from faprompt.method.losses import Targets
from faprompt.method.network import FAPrompt, Scores

BATCH, SIDE = 2, 64
PATCHES = (SIDE // 16) ** 2
DTYPES = [torch.float32, torch.bfloat16]


@pytest.fixture
def gpu() -> Iterator[torch.device]:
    scoring.resize_and_blur_matrix.cache_clear()
    with FakeTensorMode():
        yield torch.device("lazy:0")
    scoring.resize_and_blur_matrix.cache_clear()  # of what was imagined


def imagined(module: nn.Module, gpu: torch.device, dtype: torch.dtype) -> None:
    """Put all that a module without values holds on the GPU."""
    for part in module.modules():
        for name, old in part._parameters.items():
            if old is not None and old.is_meta:
                part._parameters[name] = nn.Parameter(
                    torch.empty(old.shape, device=gpu, dtype=dtype), old.requires_grad
                )
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, device=gpu, dtype=buffer.dtype)


def loaded(gpu: torch.device, dtype: torch.dtype) -> tuple[ImageEncoder, FAPrompt]:
    """As ``Detector.load`` leaves them: the stem and what learns in fp32, the rest in ``dtype``."""
    clip = empty_clip(get_spec("tiny")).frozen()
    with torch.device("meta"):
        network = FAPrompt(clip, MethodConfig())
    imagined(clip.visual.conv1, gpu, torch.float32)
    imagined(clip, gpu, dtype)
    imagined(network, gpu, torch.float32)
    return clip.visual, network


def seen(gpu: torch.device, dtype: torch.dtype) -> tuple[FAPrompt, Tensor, Tensor]:
    """A network, and image and patch features."""
    visual, network = loaded(gpu, dtype)
    with torch.no_grad():
        dual = visual.dual(torch.empty(BATCH, 3, SIDE, SIDE, device=gpu))
    return network, dual.image, dual.patches()


def mapped(scores: Scores) -> Tensor:
    return scores.anomaly_map(SIDE, blur_sigma=4.0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_prediction_stays_on_the_gpu(gpu: torch.device, dtype: torch.dtype) -> None:
    network, image, patches = seen(gpu, dtype)
    assert (image.dtype, patches.dtype) == (dtype, dtype)
    with torch.no_grad():
        scores = network(image, patches)
        maps = mapped(scores)
    for found, shape in ((scores.image_score, (BATCH,)), (maps, (BATCH, SIDE, SIDE))):
        assert (found.device, found.dtype, found.shape) == (gpu, torch.float32, shape)


@pytest.mark.parametrize("gather", ["top", "first"])
def test_with_areas_and_responses_too(gpu: torch.device, gather: str) -> None:
    network, image, patches = seen(gpu, torch.bfloat16)
    network.config = MethodConfig(prior_gather=gather)  # type: ignore[arg-type]
    keep = torch.empty(BATCH, PATCHES, dtype=torch.bool, device=gpu)
    with torch.no_grad():
        scores = network(image, patches, keep=keep, responses=True)
    assert scores.responses is not None
    assert scores.responses.device == mapped(scores).device == gpu


def test_references_stay_on_the_gpu(gpu: torch.device) -> None:
    network, image, patches = seen(gpu, torch.bfloat16)
    width = patches.shape[-1]
    memory = ReferenceMemory(torch.empty(99, width, device=gpu), 0.1, images=2, digest="")
    with torch.no_grad():
        joined = memory.joined(network(image, patches), normalised(patches))
    assert joined.image_score.device == mapped(joined).device == gpu


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_training_step_stays_on_the_gpu(gpu: torch.device, dtype: torch.dtype) -> None:
    network, image, patches = seen(gpu, dtype)
    labels = torch.empty(BATCH, dtype=torch.long, device=gpu)
    masks = torch.empty(BATCH, SIDE, SIDE, device=gpu)
    on_the_cpu = Mock(**{"any.return_value": True, "all.return_value": True})  # has its values
    targets = Targets(labels, masks, on_the_cpu)
    network.losses(network(image, patches), targets, LossConfig()).total.backward()
    for parameter in network.learner.parameters():
        assert parameter.grad is not None
        assert parameter.grad.device == gpu


def test_what_strays_or_waits_would_be_noticed(gpu: torch.device) -> None:
    network, image, patches = seen(gpu, torch.float32)
    with pytest.raises(RuntimeError, match="same device"):
        network(image, patches, keep=torch.empty(BATCH, PATCHES, dtype=torch.bool))
    with pytest.raises(DataDependentOutputException):
        network(image, patches).image_score.max().item()


def test_fp32_convolutions_on_a_gpu_are_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    exact_convolutions(torch.device("cpu"), torch.float32)
    assert torch.backends.cudnn.allow_tf32, "left alone"
    exact_convolutions(torch.device("cuda:1"), torch.bfloat16)
    assert torch.backends.cudnn.allow_tf32, "left alone"
    exact_convolutions(torch.device("cuda:1"), torch.float32)
    assert not torch.backends.cudnn.allow_tf32
    for device in ("cpu", "cuda:0", "cuda:1"):
        exact_convolutions(torch.device(device), torch.bfloat16)
        assert not torch.backends.cudnn.allow_tf32, "the first model is still there"
