"""A CLIP and data sets small enough to learn from in a second; fixtures to take from here."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, PromptTokens, TowerSize
from faprompt.clip.weights import Backbone, fingerprint
from faprompt.config import TrainSettings, train_settings
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset

SPEC = ClipSpec(
    name="micro",
    image=TowerSize(layers=3, width=32, heads=2),
    text=TowerSize(layers=3, width=24, heads=2),
    embed_dim=16,
    patch_size=16,
    native_size=64,
    default_size=64,
    dual_blocks=2,
    quick_gelu=True,
    context_length=16,
    vocab_size=32,
    tokens=PromptTokens(start=1, end=2, object=3, damaged=4, full_stop=5),
)


def make_backbone(seed: int = 0, spec: ClipSpec = SPEC) -> Backbone:
    """Random weights, the same for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip = Clip(spec).frozen()
    return Backbone(clip, spec, fingerprint(clip.state_dict()), f"seed {seed}")


def micro_settings(**changes: object) -> TrainSettings:
    """Three epochs on a text tower of three blocks."""
    defaults = {"epochs": 3, "batch_size": 4, "num_deep_prompts": 2, "blur_sigma": 2.0}
    return train_settings(defaults | changes)


def draw(rng: np.random.Generator, *, side: int, defect: bool) -> tuple[Image.Image, Image.Image]:
    """Noise, with a bright square where there is a defect, and its mask."""
    pixels = rng.integers(60, 120, (side, side, 3), dtype=np.uint8)
    mask = np.zeros((side, side), dtype=np.uint8)
    if defect:
        top, left = rng.integers(0, side // 2, 2)
        mask[top : top + side // 3, left : left + side // 3] = 255
        pixels[mask > 0] = 250
    return Image.fromarray(pixels), Image.fromarray(mask)


def make_folder(root: Path, *, each: int = 5, seed: int = 0, side: int = 48) -> Path:
    """A folder of ``good`` and ``bad`` images, with masks of the bad ones."""
    rng = np.random.default_rng(seed)
    for name in ("good", "bad", "masks"):
        (root / name).mkdir(parents=True)
    for i in range(each):
        draw(rng, side=side, defect=False)[0].save(root / "good" / f"{i}.png")
        image, mask = draw(rng, side=side, defect=True)
        image.save(root / "bad" / f"{each + i}.png")
        mask.save(root / "masks" / f"{each + i}.png")
    return root


def make_classes(root: Path, names: tuple[str, ...], **sizes: int) -> Path:
    """One such folder per class."""
    for seed, name in enumerate(names):
        make_folder(root / name, seed=seed, **sizes)
    return root


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost micro networks more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts")


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder)
