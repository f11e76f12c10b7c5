"""Features that are not finite are never cached and never learned from."""

from pathlib import Path

import pytest
import torch
from micro_training import make_backbone, make_folder, micro_settings, one_thread
from safetensors.torch import save_file

from faprompt.clip.weights import Backbone, load_weights
from faprompt.data.datasets import load_dataset
from faprompt.errors import DataError, FAPromptError, NumericError, WeightsError
from faprompt.training.examples import ExampleReader, labelled
from faprompt.training.feature_cache import FeatureCache, ImageTower, hash_files
from faprompt.training.run import Places, Watcher, train

__all__ = ["one_thread"]


@pytest.fixture
def overflowing() -> Backbone:
    backbone = make_backbone()
    with torch.no_grad():
        backbone.clip.visual.proj.mul_(3e38)
    return backbone


def test_the_cache_keeps_nothing_of_it(overflowing: Backbone, tmp_path: Path) -> None:
    dataset = load_dataset(make_folder(tmp_path / "parts"))
    paths = [sample.image_path for sample in dataset.samples]
    hashes, _ = hash_files(paths, workers=0)
    cache = FeatureCache(tmp_path / "cache", ImageTower(overflowing, 64))
    failed = cache.fill({h: path for path, h in hashes.items()}, workers=0)
    assert set(failed) == set(hashes.values())
    assert all("features of micro are not finite in fp32" in str(e) for e in failed.values())
    assert not list((tmp_path / "cache").rglob("*.safetensors"))
    reader = ExampleReader(ImageTower(overflowing, 64), None)
    examples = labelled([dataset], hashes | {p: "0" for s in dataset.samples if (p := s.mask_path)})
    with pytest.raises(NumericError, match=r"png: features of micro are not finite"):
        reader.features(examples[:2])


def test_training_names_every_image_and_the_precision(
    overflowing: Backbone, tmp_path: Path
) -> None:
    dataset = load_dataset(make_folder(tmp_path / "parts"))
    told: list[FAPromptError] = []
    with pytest.raises(DataError, match="no readable normal images"):
        train(
            [dataset],
            overflowing,
            micro_settings(),
            places=Places(out=tmp_path / "run", cache=tmp_path / "cache"),
            watcher=Watcher(unreadable=lambda _, error: told.append(error)),
        )
    assert len(told) == 10
    assert all("--precision fp32" in str(error) for error in told)


@pytest.mark.parametrize(
    ("stored", "wanted", "value"),
    [
        (torch.float64, torch.float32, 1e39),
        (torch.float64, torch.bfloat16, 1e39),
        (torch.float32, torch.float16, 70_000.0),
    ],
)
def test_weights_that_a_precision_cannot_hold_are_refused(
    stored: torch.dtype, wanted: torch.dtype, value: float, tmp_path: Path
) -> None:
    backbone = make_backbone()
    state = {name: t.to(stored) for name, t in backbone.clip.state_dict().items()}
    state["visual.proj"][0, 0] = value
    save_file(state, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=rf"w\.safetensors: visual\.proj holds .*than {wanted}"):
        load_weights(tmp_path / "w.safetensors", backbone.spec, dtype=wanted)
