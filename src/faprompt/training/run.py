"""A whole training run: data sets, cache, split, trainer."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from faprompt.clip.weights import Backbone
from faprompt.config import TrainSettings
from faprompt.data.loading import map_ordered
from faprompt.data.samples import Dataset, count
from faprompt.errors import ConfigError, DataError, FAPromptError
from faprompt.training.examples import Example, ExampleReader, labelled
from faprompt.training.feature_cache import FeatureCache, ImageTower, hash_images
from faprompt.training.run_files import RunFiles, claim
from faprompt.training.selection import Split, split_examples
from faprompt.training.trainer import Report, Result, Trainer

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Watcher:
    """How a caller follows a run. Every field may be left out."""

    unreadable: Callable[[Path, FAPromptError], None] = lambda *_: None
    """An image that is left out, and why."""
    cache: Callable[[int, int, int], None] = lambda *_: None
    """Before caching starts: images in all, images missing, bytes that they will take."""
    cached: Callable[[int], None] = lambda _: None
    """So many more images are cached."""
    split: Callable[[Split], None] = lambda _: None
    """What is learned from and what is held out."""
    step: Report = field(default=lambda _: None)
    """After every optimiser step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Places:
    """Where a run writes."""

    out: Path
    """Folder of the run; see :mod:`faprompt.training.run_files`."""
    cache: Path | None
    """Folder of cached features; None computes them again in every step."""


def train(
    datasets: Sequence[Dataset],
    backbone: Backbone,
    settings: TrainSettings,
    *,
    places: Places,
    workers: int = 2,
    watcher: Watcher | None = None,
) -> Result:
    """Learn prompts on auxiliary sets, or carry on a run that was stopped.

    Args:
        datasets: Labelled sets; unlabelled samples are left out.
        backbone: Frozen, on the device to train on.
        settings: All that decides the result.
        places: Folders of the run and of the cached features.
        workers: Reading threads.
        watcher: Follows the run.

    Raises:
        ConfigError: the output folder holds a run with other settings, or the input size does
            not fit the patches.
        DataError: the sets lack normal or anomalous images.
        TrainingError: the loss is not finite.
    """
    watcher = watcher or Watcher()
    tower = ImageTower(backbone, _input_size(settings, backbone))
    paths = [s.image_path for d in datasets for s in d.samples if s.label is not None]
    hashes, failed = hash_images(paths, workers=workers)
    examples = labelled(datasets, hashes)
    files = RunFiles(places.out)
    store = FeatureCache(places.cache, tower) if places.cache else None
    if store:
        by_hash = {e.image_hash: e.sample.image_path for e in examples}
        missing = store.missing(by_hash)
        watcher.cache(len(by_hash), len(missing), len(missing) * tower.bytes_per_image)
        unreadable = store.fill(by_hash, workers=workers, progress=watcher.cached)
    else:
        unreadable = _unreadable(examples, tower, workers)
    failed |= {path: unreadable[h] for path, h in hashes.items() if h in unreadable}
    for path, error in failed.items():
        watcher.unreadable(path, error)
    examples = labelled(datasets, {p: h for p, h in hashes.items() if h not in unreadable})
    facts = [_facts(number, dataset, examples) for number, dataset in enumerate(datasets)]
    claim(files, _request(backbone, settings, tower, facts))
    split = _split(examples, settings)
    watcher.split(split)
    reader = ExampleReader(tower, store)
    trainer = Trainer(backbone, settings, reader=reader, files=files, workers=workers)
    return trainer.run(split, facts, watcher.step)


def _input_size(settings: TrainSettings, backbone: Backbone) -> int:
    size = settings.training.input_size or backbone.spec.default_size
    if size % backbone.spec.patch_size:
        raise ConfigError(
            f"input_size {size} is not a multiple of {backbone.spec.name}'s patch size "
            f"{backbone.spec.patch_size}"
        )
    return size


def _unreadable(
    examples: Sequence[Example], tower: ImageTower, workers: int
) -> dict[str, FAPromptError]:
    results = map_ordered(lambda e: tower.read(e.sample.image_path), examples, workers=workers)
    return {e.image_hash: r for e, r in results if isinstance(r, FAPromptError)}


def _facts(number: int, dataset: Dataset, examples: Sequence[Example]) -> dict[str, Any]:
    """What a checkpoint tells of a training set."""
    mine = [e for e in examples if e.group.startswith(f"{number}/")]
    counts = count(e.sample for e in mine)
    lines = sorted(f"{e.image_hash} {e.sample.label} {e.sample.anomaly_type}" for e in mine)
    if not mine:
        raise DataError(f"{dataset.root}: no readable labelled images")
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "classes": len({e.group for e in mine}),
        "normal": counts.normal,
        "anomalous": counts.anomalous,
        "masks": counts.masks,
        "sha256": sha256("\n".join(lines).encode()).hexdigest(),
    }


def _request(
    backbone: Backbone, settings: TrainSettings, tower: ImageTower, facts: list[dict[str, Any]]
) -> dict[str, Any]:
    """What decides the result: a folder belongs to one request."""
    scale = backbone.clip.logit_scale
    return {
        "method": settings.method.to_dict(),
        "loss": settings.loss.to_dict(),
        "training": settings.training.to_dict(),
        "backbone": backbone.spec.name,
        "backbone_checksum": backbone.checksum,
        "input_size": tower.input_size,
        "precision": str(scale.dtype).removeprefix("torch."),
        "device": scale.device.type,
        "data": facts,
    }


def _split(examples: list[Example], settings: TrainSettings) -> Split:
    training = settings.training
    if training.fixed_epoch is not None:
        return Split(examples, [], "nothing")
    return split_examples(examples, fraction=training.heldout_fraction, seed=training.seed)
