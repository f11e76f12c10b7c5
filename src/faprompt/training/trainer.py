"""Prompts are learned: the loop of METHOD section 5 on frozen features.

Every epoch depends only on the resume state before it and on (seed, epoch), so that a run killed
at any moment and started again ends with the same weights as one that was not.
"""

import logging
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch

from faprompt.clip.weights import Backbone
from faprompt.config import TrainSettings
from faprompt.errors import OutputError, TrainingError
from faprompt.files import replacing
from faprompt.method.checkpoint import Header, library_versions, save_checkpoint
from faprompt.training.curves import draw_curves
from faprompt.training.examples import Batch, Example, ExampleReader, to_device
from faprompt.training.networks import FAPROMPT_KIND, Kind
from faprompt.training.reproducible import reproducible
from faprompt.training.run_files import (
    Log,
    ResumeState,
    RunFiles,
    load_resume,
    optimiser_tensors,
    restore_optimiser,
    save_resume,
)
from faprompt.training.selection import ADVICE, RULE, Judgement, Split, choose, judge

_logger = logging.getLogger(__name__)

LOG_EVERY = 10  # steps
JUDGED_AT_MOST = 256  # images of the training data, where nothing is held out


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a caller may show after a step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    images: int
    """Images in this step."""
    loss: float


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended."""

    files: RunFiles
    chosen: int
    """The epoch in ``best.safetensors``."""
    history: list[dict[str, Any]]
    rule: str


class Trainer:
    """One training run; :meth:`run` does it or carries it on."""

    def __init__(
        self,
        backbone: Backbone,
        settings: TrainSettings,
        *,
        reader: ExampleReader,
        files: RunFiles,
        workers: int,
        kind: Kind = FAPROMPT_KIND,
    ) -> None:
        self.backbone = backbone
        self.settings = settings
        self.kind = kind
        self.reader = reader
        self.files = files
        self.workers = workers
        self.device = backbone.clip.logit_scale.device
        torch.manual_seed(settings.training.seed)  # the learnable tensors' start
        self.network = kind.build(backbone, settings.method).to(self.device)
        self.network.learner.float()
        training = settings.training
        self.optimiser = torch.optim.Adam(
            self.network.learner.parameters(),
            lr=training.learning_rate,
            betas=(training.beta1, training.beta2),
            weight_decay=training.weight_decay,
        )
        self.history: list[dict[str, Any]] = []

    def run(
        self, split: Split, data: Sequence[dict[str, Any]], report: Report = lambda _: None
    ) -> Result:
        """Learn, epoch by epoch, and choose.

        Args:
            split: What to learn from; with ``select=fixed:N`` nothing is held out.
            data: Facts of the training sets for the checkpoints' headers.
            report: Called after every step.

        Raises:
            TrainingError: the loss is not finite; the last finished epoch stays.
        """
        fixed = self.settings.training.fixed_epoch
        epochs = fixed or self.settings.training.epochs
        done = self._resume()
        log = Log(self.files.log, epochs_done=done)
        # With nothing held out, colour limits come from what was learned from, and say so.
        seed = self.settings.training.seed
        judged = split.heldout or shuffled(split.train, seed=seed, epoch=0)[:JUDGED_AT_MOST]
        with reproducible(self.device):
            for epoch in range(done + 1, epochs + 1):
                self._run_epoch(epoch, epochs, split, log=log, report=report)
                judgement = judge(self.network, self.reader, judged, workers=self.workers)
                self._finish_epoch(epoch, judgement, split, data=data, log=log)
        chosen = fixed or choose(self.history)
        with replacing(self.files.best) as temporary:
            temporary.write_bytes(self.files.epoch(chosen).read_bytes())
        draw_curves(self.files.curves, self.history, chosen=None if fixed else chosen)
        rule = f"fixed epoch {fixed}, learned from all data" if fixed else RULE
        return Result(self.files, chosen, self.history, rule)

    def _resume(self) -> int:
        """Put back what the last finished epoch left; 0 where there is none."""
        state = load_resume(self.files.resume)
        if state is None:
            return 0
        try:
            self.network.learner.load_state_dict(state.learner)
            restore_optimiser(self.optimiser, state.optimiser)
        except (RuntimeError, ValueError, KeyError) as error:
            raise OutputError(
                f"{self.files.resume}: does not fit this run ({error}); remove it to start again"
            ) from None
        self.history = state.history
        _logger.info("continuing after epoch %d", state.epoch)
        return state.epoch

    def _run_epoch(
        self, epoch: int, epochs: int, split: Split, *, log: Log, report: Report
    ) -> None:
        """One pass over the shuffled examples; appends the mean loss to the history."""
        examples = shuffled(split.train, seed=self.settings.training.seed, epoch=epoch)
        size = self.settings.training.batch_size
        steps = -(-len(examples) // size)
        total = 0.0
        for step, batch in enumerate(self._batches(examples, size), start=1):
            parts = self.step(batch, epoch=epoch, step=step)
            total += parts["total"] * len(batch.targets.labels)
            if step % LOG_EVERY == 0 or step == steps:
                log.write({"epoch": epoch, "step": step, **parts})
            images = len(batch.targets.labels)
            report(
                Progress(
                    epoch=epoch,
                    epochs=epochs,
                    step=step,
                    steps=steps,
                    images=images,
                    loss=parts["total"],
                )
            )
        self.history.append({"epoch": epoch, "loss": total / len(examples)})

    def _batches(self, examples: Sequence[Example], size: int) -> Iterator[Batch]:
        for batch in self.reader.batches(examples, size=size, workers=self.workers):
            yield to_device(batch, self.device)

    def step(self, batch: Batch, *, epoch: int, step: int) -> dict[str, float]:
        """One optimiser step; returns the parts of the loss before it.

        Raises:
            TrainingError: the loss is not finite.
        """
        scores = self.network(batch.features.image, batch.features.patches)
        if not bool(scores.image_score.isfinite().all()):  # the losses need probabilities
            raise TrainingError(self._not_finite("a score", epoch, step))
        losses = self.network.losses(scores, batch.targets, self.settings.loss)
        names = [field.name for field in fields(losses)]
        values = torch.stack([getattr(losses, name).detach() for name in names]).tolist()
        if not math.isfinite(values[names.index("total")]):  # one transfer for all
            raise TrainingError(self._not_finite("the loss", epoch, step))
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()
        self.optimiser.step()
        return dict(zip(names, values, strict=True))

    def _not_finite(self, what: str, epoch: int, step: int) -> str:
        where = f"epoch {epoch}, step {step}"
        return f"{self.files.folder}: {what} is not finite in {where}; {ADVICE}"

    def _finish_epoch(
        self,
        epoch: int,
        judgement: Judgement,
        split: Split,
        *,
        data: Sequence[dict[str, Any]],
        log: Log,
    ) -> None:
        record = self.history[-1] | {"heldout": judgement.metrics if split.heldout else None}
        self.history[-1] = record
        header = Header(
            method=self.settings.method,
            network=self.kind.name,
            loss=self.settings.loss,
            training=self.settings.training,
            backbone=self.backbone.spec.name,
            backbone_checksum=self.backbone.checksum,
            input_size=self.reader.tower.input_size,
            epoch=epoch,
            data=tuple(data),
            metrics={
                "loss": record["loss"],
                "on": split.by if split.heldout else "the training data itself",
                "rule": RULE if split.heldout else self.settings.training.select,
                **judgement.metrics,
            },
            colour_limits=judgement.colour_limits,
            versions=library_versions(),
        )
        learner = self.network.learner.state_dict()
        save_checkpoint(self.files.epoch(epoch), learner, header)
        log.write(record)
        state = ResumeState(epoch, self.history, learner, optimiser_tensors(self.optimiser))
        save_resume(self.files.resume, state)
        draw_curves(self.files.curves, self.history, chosen=None)


def shuffled(examples: Sequence[Example], *, seed: int, epoch: int) -> list[Example]:
    """The order of an epoch: a function of seed and epoch alone."""
    order = list(examples)
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return order
