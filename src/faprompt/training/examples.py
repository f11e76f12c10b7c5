"""Labelled examples of the auxiliary sets, and batches of them.

Shapes: B images, L patches, D joint width, S input side in pixels.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from faprompt.clip.compute import moved
from faprompt.data.loading import map_ordered
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset, Sample
from faprompt.errors import DataError, FAPromptError
from faprompt.method.losses import Targets
from faprompt.training.feature_cache import FeatureCache, Features, ImageTower, stack


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled image of one auxiliary set."""

    sample: Sample
    image_hash: str
    mask_hash: str | None
    group: str
    """Data set and class: what is held out together."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Frozen features and targets of some examples."""

    features: Features
    targets: Targets


def labelled(datasets: Sequence[Dataset], hashes: Mapping[Path, str]) -> list[Example]:
    """Labelled samples of all sets whose files have a hash, in order."""
    return [
        Example(
            sample=sample,
            image_hash=hashes[sample.image_path],
            mask_hash=hashes[sample.mask_path] if sample.mask_path else None,
            group=f"{number}/{dataset.name}/{sample.class_name}",
        )
        for number, dataset in enumerate(datasets)
        for sample in dataset.samples
        if sample.label is not None and all(path in hashes for path in files_of(sample))
    ]


def files_of(sample: Sample) -> list[Path]:
    """Image and, where there is one, mask."""
    return [path for path in (sample.image_path, sample.mask_path) if path]


def bad_masks(examples: Sequence[Example], size: int, *, workers: int) -> dict[Path, FAPromptError]:
    """Images whose mask cannot be used, with the reason."""
    results = map_ordered(lambda e: read_mask(e.sample, size), examples, workers=workers)
    return {e.sample.image_path: r for e, r in results if isinstance(r, FAPromptError)}


def require_both_labels(examples: Sequence[Example], datasets: Sequence[Dataset]) -> None:
    """Refuse to learn from normal or from anomalous images alone.

    Raises:
        DataError: one kind is missing; the text names the data sets.
    """
    for label, word in ((0, "normal"), (1, "anomalous")):
        if not any(e.sample.label == label for e in examples):
            names = ", ".join(str(d.root) for d in datasets)
            raise DataError(
                f"{names}: no readable {word} images; prompts are learned from normal and "
                "anomalous ones. Put them into folders `normal` and `anomalous`, or give a manifest"
            )


class ExampleReader:
    """Reads batches; features come from the cache or, without one, from the image tower."""

    def __init__(self, tower: ImageTower, cache: FeatureCache | None) -> None:
        self.tower = tower
        self.cache = cache

    def features(self, examples: Sequence[Example]) -> Features:
        """Features of some examples, as a batch on the CPU.

        Raises:
            NumericError: features are not finite.
        """
        found = [self.cache.load(e.image_hash) if self.cache else None for e in examples]
        absent = [i for i, features in enumerate(found) if features is None]
        if absent:  # no cache, or a damaged file: computed again, and mended
            pixels = torch.stack([self.tower.read(examples[i].sample.image_path) for i in absent])
            for i, features in zip(absent, self.tower.compute(pixels), strict=True):
                if error := self.tower.overflow(features, examples[i].sample.image_path):
                    raise error
                found[i] = features
                if self.cache:
                    self.cache.store(examples[i].image_hash, features)
        return stack([f for f in found if f is not None])

    def batch(self, examples: Sequence[Example]) -> Batch:
        """Features and targets of some examples."""
        masks = [read_mask(e.sample, self.tower.input_size) for e in examples]
        empty = np.zeros((self.tower.input_size,) * 2, dtype=np.bool_)
        stacked = np.stack([empty if mask is None else mask for mask in masks])
        targets = Targets(
            labels=torch.tensor([e.sample.label for e in examples]),
            masks=torch.from_numpy(stacked).float(),
            known=torch.tensor([mask is not None for mask in masks]),
        )
        return Batch(self.features(examples), targets)

    def batches(self, examples: Sequence[Example], *, size: int, workers: int) -> Iterator[Batch]:
        """Batches in the order given, read ahead in threads.

        Raises:
            FAPromptError: an image or mask that was readable before no longer is.
        """
        groups = [examples[i : i + size] for i in range(0, len(examples), size)]
        for _, result in map_ordered(self.batch, groups, workers=workers):
            if isinstance(result, FAPromptError):
                raise result
            yield result


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The same batch on another device."""
    features, targets = batch.features, batch.targets
    return Batch(
        Features(moved(features.image, device), moved(features.patches, device)),
        Targets(moved(targets.labels, device), moved(targets.masks, device), targets.known),
    )
