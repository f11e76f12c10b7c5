"""What a method of the comparison is: facts for the report, how it learns, how it scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from faprompt.clip.weights import Backbone
from faprompt.config import train_settings
from faprompt.data.samples import Dataset
from faprompt.errors import CheckpointError, ConfigError
from faprompt.method.checkpoint import check_owner, fill_learner, read_checkpoint
from faprompt.protocol.scorer import FeatureScorer, Output, Scorer
from faprompt.training.networks import FAPROMPT_KIND, Kind, Network, Task
from faprompt.training.run import Places, Watcher
from faprompt.training.run import learn as learn_task

OURS = ".safetensors"


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """One entry of the comparison."""

    name: str
    """As plans name it."""
    title: str
    """As tables show it."""
    source: str
    """Paper and public repository."""
    settings: Mapping[str, str]
    """What is fixed, in words, for the report."""
    deviations: tuple[str, ...]
    """Where this is not the published method."""
    trained: bool
    """Whether it learns from the auxiliary sets, and so needs a checkpoint."""
    kind: Kind = field(default=FAPROMPT_KIND, repr=False)
    """What a trained method learns."""
    defaults: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Training settings that differ from FAPrompt's; a plan may change them."""
    fixed: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Training settings that make this method what it is; no plan changes them."""
    untrained: Callable[[Backbone, Output], Scorer] | None = field(default=None, repr=False)
    """Makes the scorer of a method that does not learn."""
    published: Callable[[Path, Backbone], Network] | None = field(default=None, repr=False)
    """Reads a checkpoint of the authors' code."""

    def learn(
        self,
        backbone: Backbone,
        datasets: Sequence[Dataset],
        *,
        changes: Mapping[str, Any],
        places: Places,
        workers: int,
        watcher: Watcher | None = None,
    ) -> Path:
        """Learn from auxiliary sets, or carry on where a run was stopped.

        Args:
            backbone: Frozen, on the device to train on.
            datasets: Labelled auxiliary sets.
            changes: Training settings, by the names of docs/settings.md.
            places: Folders of the run and of cached features.
            workers: Reading threads.
            watcher: Follows the run.

        Returns:
            The chosen checkpoint, ``best.safetensors`` of ``places.out``.

        Raises:
            ConfigError: the method does not learn, or its prompts do not fit the text tower.
            WeightsError: there is no vocabulary for the method's texts.
            FAPromptError: as :func:`faprompt.training.run.train`.
        """
        if not self.trained:
            raise ConfigError(f"{self.name}: does not learn; score with it at once")
        values = {**self.defaults, **changes, **self.fixed}
        task = Task(backbone, train_settings(values, where=self.name), self.kind)
        with torch.inference_mode():  # what cannot work is said before features are computed
            ready(self.kind.build(backbone, task.settings.method), backbone).static_text()
        result = learn_task(task, datasets, places=places, workers=workers, watcher=watcher)
        return result.files.best

    def scorer(
        self, backbone: Backbone, checkpoint: Path | None, *, input_size: int, blur_sigma: float
    ) -> Scorer:
        """The method, ready to score.

        Args:
            backbone: Frozen, on the device to score on.
            checkpoint: What :meth:`learn` returned or, where the method's authors published
                some, their file; None for a method that does not learn.
            input_size: Side of input and maps in pixels.
            blur_sigma: Of the maps' Gaussian blur, in pixels; 0 is none.

        Raises:
            CheckpointError: missing, damaged, or of another method or backbone.
            WeightsError: there is no vocabulary for the method's texts.
        """
        output = Output(input_size=input_size, blur_sigma=blur_sigma)
        if self.untrained is not None:
            return self.untrained(backbone, output)
        if checkpoint is None:
            raise CheckpointError(f"{self.name}: needs a checkpoint, which `learn` makes")
        network = self._network(backbone, checkpoint)
        return FeatureScorer(network, self.kind.reading(backbone), output)

    def _network(self, backbone: Backbone, path: Path) -> Network:
        if self.published is not None and path.suffix != OURS:
            return self.published(path, backbone)
        header, state = read_checkpoint(path)
        check_owner(header, backbone, network=self.kind.name, path=path)
        network = self.kind.build(backbone, header.method)
        fill_learner(network.learner, state, path=path)
        return ready(network, backbone)


def ready(network: Network, backbone: Backbone) -> Network:
    """The network on the backbone's device, with nothing that learns."""
    network.learner.eval().requires_grad_(False)
    moved: Network = network.to(backbone.clip.logit_scale.device)
    return moved
