"""Frozen features for training, computed by the same engines.

Features are files named by their image's content, whole or not there: nothing else has to tell
what is done, and it does no harm to do it again.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from faprompt.clip.compute import Compute
from faprompt.clip.weights import Backbone, load_backbone
from faprompt.data.loading import in_groups
from faprompt.data.samples import Dataset
from faprompt.errors import WeightsError
from faprompt.scale.engines import Engine, Report, Work
from faprompt.training.feature_cache import FeatureCache, ImageTower, hash_files

GROUP = 64
"""Images per task: what a killed worker does again at most, and then finds done."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caching:
    """How features are cached by a worker."""

    root: str
    """Folder of the cache, the same for all workers."""
    backbone: str
    weights: str | None
    device: str
    precision: str
    input_size: int
    key: str
    """What decides the features; a worker whose key differs refuses."""
    workers: int

    def build(self) -> Work:
        """Load the image tower; see :class:`faprompt.scale.engines.Recipe`.

        Raises:
            WeightsError: the weights are others than the run began with.
        """
        from faprompt.clip.compute import resolve

        compute = resolve(self.device, self.precision)
        backbone = load_backbone(
            self.backbone, weights=self.weights, device=compute.device, dtype=compute.dtype
        )
        tower = ImageTower(backbone, self.input_size)
        if tower.key != self.key:
            raise WeightsError(
                f"{self.backbone}: features would be {tower.key}, the run needs {self.key}; put "
                "the same weights on every machine, and name --device and --precision"
            )
        return FeatureFiller(FeatureCache(Path(self.root), tower), self.workers)


class FeatureFiller:
    """Computes what is missing of some images."""

    def __init__(self, cache: FeatureCache, workers: int) -> None:
        self.cache, self.workers = cache, workers

    def __call__(self, paths: Sequence[str]) -> Report:
        """Fill the cache; unreadable images are left to training, which names them.

        Raises:
            OutputError: the cache cannot be written.
        """
        hashes, failed = hash_files(map(Path, paths), workers=self.workers)
        by_content = {image_hash: path for path, image_hash in hashes.items()}
        failures = self.cache.fill(by_content, workers=self.workers)
        return {"rows": len(paths), "errors": len(failed) + len(failures)}


def recipe_for(
    backbone: Backbone, compute: Compute, *, weights: str | None, cache: Path, workers: int,
    input_size: int | None = None,
) -> Caching:  # fmt: skip
    """How workers compute the features that training with this backbone will ask for."""
    size = input_size or backbone.spec.default_size
    return Caching(
        root=str(cache.absolute()),
        backbone=backbone.spec.name,
        weights=weights,
        device=compute.device.type,
        precision=compute.precision,
        input_size=size,
        key=ImageTower(backbone, size).key,
        workers=workers,
    )


def cache_features(
    datasets: Iterable[Dataset],
    recipe: Caching,
    engine: Engine,
    *,
    progress: Callable[[int], None] = lambda _: None,
) -> int:
    """Cache the features of all labelled images.

    Args:
        datasets: Auxiliary sets, on files that all workers can read.
        recipe: How.
        engine: Who.
        progress: Called with the number of images done since the last call.

    Returns:
        How many images could not be read.

    Raises:
        FAPromptError: the work cannot go on; what is cached stays.
    """
    failed = 0
    for report in engine.run(recipe, _tasks(datasets)):
        failed += report["errors"]
        progress(report["rows"])
    return failed


def _tasks(datasets: Iterable[Dataset]) -> Iterator[list[str]]:
    samples = (s for dataset in datasets for s in dataset.samples if s.label is not None)
    paths = dict.fromkeys(str(sample.image_path.absolute()) for sample in samples)
    return in_groups(paths, GROUP)
