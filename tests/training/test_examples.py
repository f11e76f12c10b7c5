"""From samples to batches: unknown masks, order, unusable files."""

import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import micro_training
import numpy as np
import pytest
import torch
from micro_training import make_folder
from PIL import Image
from torch import Tensor

from faprompt.clip.weights import Backbone
from faprompt.config import LossConfig, MethodConfig
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.errors import DataError
from faprompt.method.network import FAPrompt
from faprompt.training.examples import (
    Batch,
    Example,
    ExampleReader,
    bad_masks,
    files_of,
    labelled,
    require_both_labels,
)
from faprompt.training.feature_cache import FeatureCache, ImageTower, hash_files

backbone = micro_training.backbone
dataset = micro_training.dataset
folder = micro_training.folder
one_thread = micro_training.one_thread


def examples_of(*datasets: Dataset) -> list[Example]:
    files = (p for d in datasets for s in d.samples for p in files_of(s))
    return labelled(datasets, hash_files(files, workers=0)[0])


@pytest.fixture
def reader(backbone: Backbone) -> ExampleReader:
    return ExampleReader(ImageTower(backbone, 64), cache=None)


def test_groups_are_classes_of_data_sets(tmp_path: Path) -> None:
    first, second = (load_dataset(make_folder(tmp_path / name)) for name in ("a", "b"))
    assert {e.group for e in examples_of(first, second)} == {"0/a/a", "1/b/b"}


def test_a_sample_without_image_or_mask_file_is_left_out(dataset: Dataset) -> None:
    hashes, _ = hash_files((p for s in dataset.samples for p in files_of(s)), workers=0)
    masked = next(s for s in dataset.samples if s.mask_path)
    assert masked.mask_path is not None
    for path in (masked.image_path, masked.mask_path):
        kept = labelled([dataset], {p: h for p, h in hashes.items() if p != path})
        assert len(kept) == len(dataset) - 1


def test_batches_keep_the_order_and_resize_masks(dataset: Dataset, reader: ExampleReader) -> None:
    examples = examples_of(dataset)
    batches = list(reader.batches(examples, size=4, workers=2))
    assert [len(b.targets.labels) for b in batches] == [4, 4, 2]
    labels = torch.cat([b.targets.labels for b in batches]).tolist()
    assert labels == [e.sample.label for e in examples]
    masks = torch.cat([b.targets.masks for b in batches])
    assert masks.shape == (10, 64, 64)
    assert set(masks.unique().tolist()) == {0.0, 1.0}
    assert [bool(m.any()) for m in masks] == [label == 1 for label in labels]


def test_batches_in_memory_do_not_grow_with_the_data(
    dataset: Dataset, backbone: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of cached features no more is held than the batches under way, with one thread four."""
    tower = ImageTower(backbone, 64)
    reader = ExampleReader(tower, FeatureCache(tmp_path, tower))
    read, alive = reader.batch, weakref.WeakSet[Tensor]()

    def recorded(examples: Sequence[Example]) -> Batch:
        batch = read(examples)
        alive.add(batch.features.patches)
        return batch

    monkeypatch.setattr(reader, "batch", recorded)
    examples = examples_of(dataset) * 4
    counts = [len(alive) for _ in reader.batches(examples, size=2, workers=1)]
    assert len(counts) == 20
    assert max(counts) <= 4


def test_an_unknown_mask_is_not_a_mask_without_defect(folder: Path, reader: ExampleReader) -> None:
    (folder / "masks" / "5.png").unlink()  # missing
    Image.fromarray(np.zeros((48, 48), dtype=np.uint8)).save(folder / "masks" / "6.png")  # empty
    examples = examples_of(load_dataset(folder))
    known = dict(zip((e.sample.image_path.stem for e in examples),
                     reader.batch(examples).targets.known.tolist(), strict=True))  # fmt: skip
    assert [stem for stem, ok in known.items() if not ok] == ["5", "6"]


def test_unknown_masks_do_not_enter_the_local_loss(
    dataset: Dataset, reader: ExampleReader, backbone: Backbone
) -> None:
    """The loss with an unknown mask is the loss of the others, whatever the mask holds."""
    network = FAPrompt(backbone.clip, MethodConfig(num_deep_prompts=2))
    batch = reader.batch(examples_of(dataset))
    scores = network(batch.features.image, batch.features.patches)
    known = torch.ones(10, dtype=torch.bool)
    known[3] = False
    garbage = batch.targets.masks.clone()
    garbage[3] = 1 - garbage[3]
    losses = [
        network.losses(scores, replace(batch.targets, masks=masks, known=known), LossConfig()).local
        for masks in (batch.targets.masks, garbage)
    ]
    assert losses[0] == losses[1]
    nothing = replace(batch.targets, known=torch.zeros(10, dtype=torch.bool))
    assert network.losses(scores, nothing, LossConfig()).local == 0


def test_masks_that_cannot_be_used_are_named(folder: Path) -> None:
    (folder / "masks" / "5.png").write_bytes(b"no image")
    examples = examples_of(load_dataset(folder))
    failed = bad_masks(examples, 64, workers=2)
    assert [path.stem for path in failed] == ["5"]
    assert "masks" in str(next(iter(failed.values())))


def test_an_image_that_vanishes_is_one_error(folder: Path, reader: ExampleReader) -> None:
    examples = examples_of(load_dataset(folder))
    examples[0].sample.image_path.unlink()
    with pytest.raises(DataError, match=examples[0].sample.image_path.name):
        list(reader.batches(examples, size=4, workers=0))


@pytest.mark.parametrize(("label", "word"), [(0, "normal"), (1, "anomalous")])
def test_both_kinds_are_needed(dataset: Dataset, label: int, word: str) -> None:
    examples = [e for e in examples_of(dataset) if e.sample.label != label]
    with pytest.raises(DataError, match=f"parts: no readable {word} images.*or give a manifest"):
        require_both_labels(examples, [dataset])
