"""A whole training run: data sets, cache, split, trainer."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from faprompt.clip.weights import Backbone
from faprompt.config import TrainSettings
from faprompt.data.loading import map_ordered
from faprompt.data.samples import Dataset, count
from faprompt.errors import ConfigError, DataError, FAPromptError
from faprompt.training.examples import (
    Example,
    ExampleReader,
    bad_masks,
    files_of,
    labelled,
    require_both_labels,
)
from faprompt.training.feature_cache import FeatureCache, ImageTower, hash_files
from faprompt.training.networks import Task
from faprompt.training.run_files import RunFiles, check_claim, claim
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
    task = Task(backbone, settings)
    return learn(task, datasets, places=places, workers=workers, watcher=watcher)


def learn(
    task: Task,
    datasets: Sequence[Dataset],
    *,
    places: Places,
    workers: int = 2,
    watcher: Watcher | None = None,
) -> Result:
    """Learn any kind of network as :func:`train` learns FAPrompt, with the same errors."""
    watcher = watcher or Watcher()
    backbone, settings = task.backbone, task.settings
    files = RunFiles(places.out)
    tower = ImageTower(backbone, _input_size(settings, backbone), task.kind.reading(backbone))
    request = _request(task, tower)
    check_claim(files, request)  # before anything slow
    store = FeatureCache(places.cache, tower) if places.cache else None
    reader = ExampleReader(tower, store)
    examples = _gather(datasets, reader, workers=workers, watcher=watcher)
    facts = [_facts(number, dataset, examples) for number, dataset in enumerate(datasets)]
    split = _split(examples, settings)
    claim(files, request | {"data": facts})
    watcher.split(split)
    trainer = Trainer(
        backbone, settings, reader=reader, files=files, workers=workers, kind=task.kind
    )
    return trainer.run(split, facts, watcher.step)


def _gather(
    datasets: Sequence[Dataset], reader: ExampleReader, *, workers: int, watcher: Watcher
) -> list[Example]:
    """Labelled examples whose image and mask can be read, cached; the others are reported."""
    samples = [s for d in datasets for s in d.samples if s.label is not None]
    hashes, lost = hash_files((p for s in samples for p in files_of(s)), workers=workers)
    failed = {s.image_path: lost[p] for s in samples for p in files_of(s) if p in lost}
    examples = labelled(datasets, hashes)
    require_both_labels(examples, datasets)  # before anything slow
    failed |= bad_masks(examples, reader.tower.input_size, workers=workers)
    examples = [e for e in examples if e.sample.image_path not in failed]
    by_hash = {e.image_hash: e.sample.image_path for e in examples}
    if store := reader.cache:
        missing = store.missing(by_hash)
        watcher.cache(len(by_hash), len(missing), len(missing) * reader.tower.bytes_per_image)
        unreadable = store.fill(by_hash, workers=workers, progress=watcher.cached)
    else:
        unreadable = _unreadable(by_hash, reader.tower, workers)
    failed |= {
        e.sample.image_path: unreadable[e.image_hash]
        for e in examples
        if e.image_hash in unreadable
    }
    for path, error in failed.items():
        watcher.unreadable(path, error)
    examples = [e for e in examples if e.image_hash not in unreadable]
    require_both_labels(examples, datasets)
    return examples


def _input_size(settings: TrainSettings, backbone: Backbone) -> int:
    size = settings.training.input_size or backbone.spec.default_size
    if size % backbone.spec.patch_size:
        raise ConfigError(
            f"input_size {size} is not a multiple of {backbone.spec.name}'s patch size "
            f"{backbone.spec.patch_size}"
        )
    return size


def _unreadable(
    paths: Mapping[str, Path], tower: ImageTower, workers: int
) -> dict[str, FAPromptError]:
    results = map_ordered(lambda h: tower.read(paths[h]), paths, workers=workers)
    return {image_hash: r for image_hash, r in results if isinstance(r, FAPromptError)}


def _facts(number: int, dataset: Dataset, examples: Sequence[Example]) -> dict[str, Any]:
    """What a checkpoint tells of a training set."""
    mine = [e for e in examples if e.group.startswith(f"{number}/")]
    counts = count(e.sample for e in mine)
    if not mine:
        raise DataError(f"{dataset.root}: no readable labelled images")
    lines = sorted(_line(e) for e in mine)
    return {
        "name": dataset.name,
        "layout": dataset.layout,
        "classes": len({e.group for e in mine}),
        "normal": counts.normal,
        "anomalous": counts.anomalous,
        "masks": counts.masks,
        "sha256": sha256("\n".join(lines).encode(errors="backslashreplace")).hexdigest(),
    }


def _line(example: Example) -> str:
    """All of an example that a run depends on, but where it lies."""
    sample = example.sample
    parts = (example.image_hash, example.mask_hash, sample.mask_rule, sample.label)
    return "\t".join(map(str, (*parts, sample.class_name, sample.anomaly_type)))


def _request(task: Task, tower: ImageTower) -> dict[str, Any]:
    """What decides the result, but for the data: a folder belongs to one request."""
    backbone, settings = task.backbone, task.settings
    scale = backbone.clip.logit_scale
    return {
        "network": task.kind.name,
        "method": settings.method.to_dict(),
        "loss": settings.loss.to_dict(),
        "training": settings.training.to_dict(),
        "backbone": backbone.spec.name,
        "backbone_checksum": backbone.checksum,
        "input_size": tower.input_size,
        "precision": str(scale.dtype).removeprefix("torch."),
        "device": scale.device.type,
    }


def _split(examples: list[Example], settings: TrainSettings) -> Split:
    training = settings.training
    if training.fixed_epoch is not None:
        return Split(examples, [], "nothing")
    return split_examples(examples, fraction=training.heldout_fraction, seed=training.seed)
