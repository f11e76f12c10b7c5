"""The pretraining run in memory: render, align, average; whole on disk at any moment.

Shapes: N scenes, B = 2 N images, L patches, P sentences, D joint width.
"""

import io
import logging
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faprompt.clip.compute import DTYPES
from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, get_spec
from faprompt.clip.safe_pickle import safe_load_pickle
from faprompt.clip.tokenizer import Tokenizer, load_tokenizer
from faprompt.clip.weights import build_state
from faprompt.errors import ConfigError, OutputError, TrainingError
from faprompt.files import replacing
from faprompt.pretrain.batches import BatchMaker
from faprompt.pretrain.objective import initialised, loss_terms, parameter_groups
from faprompt.pretrain.photos import PhotoBank
from faprompt.pretrain.recipe import Recipe
from faprompt.pretrain.renderer import RENDERER_VERSION, Renderer

log = logging.getLogger(__name__)

STATE_FILE = "state.pt"
MAX_LEFT_OUT = 3
"""Steps in a row that may be left out because something in them is not finite."""
MAX_SCALE = 100.0
"""Largest inverse temperature of the contrastive loss, CLIP's own limit."""


class Pretraining:
    """A run in memory: towers, averaged weights, optimiser and the number of steps done."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        spec: ClipSpec | None = None,
        photos: PhotoBank | None = None,
        tokenizer: Tokenizer | None = None,
        device: str | torch.device = "cpu",
        start: Sequence[Path] = (),
    ) -> None:
        """Prepare a run.

        Args:
            recipe: What is trained, and how.
            spec: By default that of ``tiny``.
            photos: Scenes that need photographs are left out without them.
            tokenizer: By default that of the spec.
            device: Renders and trains.
            start: Weights to begin with, such as the shipped ones; of several their mean; of none
                random ones.

        Raises:
            WeightsError: ``start`` cannot be read or is of another architecture.
        """
        self.recipe, self.spec = recipe, spec or get_spec("tiny")
        self.tokenizer = tokenizer or load_tokenizer(self.spec)
        self.device = torch.device(device)
        if self.device.type == "cuda":
            # Its gradients for 197 and 257 tokens were not finite on an H200 (torch 2.11).
            torch.backends.cuda.enable_cudnn_sdp(False)
        photos = photos and photos.to(self.device)  # once: both parts share the pixels
        kept = photos and photos.part(heldout=True)
        self.heldout = Renderer("heldout", photos=kept, device=self.device)
        seen = photos and photos.part(heldout=False)
        renderer = Renderer("train", photos=seen, device=self.device)
        self.maker = BatchMaker(renderer, recipe, self.spec, self.tokenizer)
        with torch.random.fork_rng():
            torch.manual_seed(recipe.seed)
            self.clip = initialised(Clip(self.spec)).to(self.device)
        if start:
            states = [build_state(path, self.spec) for path in start]
            mean = {n: sum(s[n].float() for s in states) / len(states) for n in states[0]}
            self.clip.load_state_dict(mean)
        self.average = {name: value.clone() for name, value in self.clip.state_dict().items()}
        self.optimiser = torch.optim.AdamW(
            parameter_groups(self.clip, recipe.weight_decay),
            lr=recipe.learning_rate,
            betas=(0.9, 0.98),
        )
        self.steps = self.left_out = 0
        self.seconds = 0.0

    def step(self) -> dict[str, float]:
        """One step: render, compare, learn, average. Returns the terms of the loss.

        A step whose loss or gradient is not finite is left out and counted as ``left_out``.

        Raises:
            TrainingError: that is the third in a row.
        """
        began = time.monotonic()
        results = self._parts()
        terms = {k: sum(r[0][k] for r in results) / len(results) for k in results[0][0]}
        finite = all(math.isfinite(value) for value in terms.values()) and self._learn(
            [sum(g) / len(results) for g in zip(*(r[1] for r in results), strict=True)]
        )
        self.left_out = 0 if finite else self.left_out + 1
        if self.left_out == MAX_LEFT_OUT:
            raise TrainingError(
                f"step {self.steps}: the loss or a gradient is not finite, as in the "
                f"{MAX_LEFT_OUT - 1} steps before ({terms}); the last state written is kept. Lower "
                "learning_rate in the recipe, or try precision fp32"
            )
        self.steps += 1
        wall = time.monotonic() - began
        self.seconds += wall
        return {**terms, "wall": wall, **({} if finite else {"left_out": 1})}

    def _parts(self) -> list[tuple[dict[str, float], Sequence[Tensor]]]:
        """All parts side by side in threads, each on one core.

        On two shared cores that is faster than two cores per operation, and the sum does not
        depend on timing.
        """
        if self.recipe.parts == 1:
            return [self._part(0)]
        with ThreadPoolExecutor(self.recipe.parts) as pool:
            return list(pool.map(self._part, range(self.recipe.parts)))

    def _part(self, part: int) -> tuple[dict[str, float], Sequence[Tensor]]:
        """Loss terms and gradients of one part of the step."""
        torch.set_num_threads(1)
        batch = self.maker.make(self.steps, part)
        terms = loss_terms(self.clip, batch, DTYPES[self.recipe.precision])
        weights = asdict(self.recipe.weights)
        loss = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        gradients = torch.autograd.grad(loss, list(self.clip.parameters()))
        values = torch.stack([value.detach() for value in terms.values()]).tolist()
        return dict(zip(terms, values, strict=True)), gradients

    def _learn(self, gradients: Sequence[Tensor | float]) -> bool:
        """Follow the gradients; False, and nothing done, if one of them is not finite."""
        for group in self.optimiser.param_groups:
            warm = min(1.0, (self.steps + 1) / max(1, self.recipe.warmup_steps))
            group["lr"] = self.recipe.learning_rate * self.recipe.stage_at(self.steps).rate * warm
        for parameter, gradient in zip(self.clip.parameters(), gradients, strict=True):
            parameter.grad = torch.as_tensor(gradient)
        norm = nn.utils.clip_grad_norm_(self.clip.parameters(), self.recipe.gradient_norm)
        if not math.isfinite(norm.item()):
            return False
        self.optimiser.step()
        with torch.no_grad():
            self.clip.logit_scale.clamp_(max=math.log(MAX_SCALE))
            # A young average must forget the random start: the usual ramp.
            decay = min(self.recipe.average, (1 + self.steps) / (10 + self.steps))
            for name, value in self.clip.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        return True

    def averaged(self) -> Clip:
        """The towers with the averaged weights, ready to use."""
        clip = Clip(self.spec).to(self.device)
        clip.load_state_dict(self.average)
        return clip.frozen()

    def save(self, folder: Path) -> None:
        """Write the state so that a run killed at any moment leaves a whole file.

        Raises:
            OutputError: it cannot be written.
        """
        state: dict[str, Any] = {
            "recipe": asdict(self.recipe),
            "renderer": RENDERER_VERSION,
            "steps": self.steps,
            "seconds": self.seconds,
            "clip": self.clip.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
        }
        content = io.BytesIO()  # torch's own writing to a full disk raises anything
        torch.save(on_cpu(state), content)
        with replacing(folder / STATE_FILE) as temporary:
            temporary.write_bytes(content.getbuffer())

    def resume(self, folder: Path) -> None:
        """Continue from the state in ``folder``.

        Raises:
            ConfigError: the state belongs to another recipe; the differences are named.
            OutputError: it is damaged.
            WeightsError: it is damaged, or more than plain tensors and containers.
        """
        path = folder / STATE_FILE
        state = safe_load_pickle(path)
        try:
            self._check_recipe(path, state)
            self.clip.load_state_dict(state["clip"])
            self.average = {k: v.to(self.device) for k, v in state["average"].items()}
            self.optimiser.load_state_dict(state["optimiser"])
            self.steps, self.seconds = int(state["steps"]), float(state["seconds"])
        except (RuntimeError, ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, ConfigError):
                raise
            raise OutputError(
                f"{path}: damaged state ({error!r}); remove it to start this run again"
            ) from None

    def _check_recipe(self, path: Path, state: dict[str, Any]) -> None:
        mine, theirs = asdict(self.recipe), state["recipe"]
        # Stages may be re-planned: they say how long a run goes on, not what it was.
        odd = [k for k in mine if k != "stages" and mine[k] != theirs.get(k)]
        if odd:
            raise ConfigError(
                f"{path} was made with other settings: "
                + ", ".join(f"{k} {theirs.get(k)!r}, now {mine[k]!r}" for k in odd)
                + ". Use that recipe or another --out."
            )
        if state["renderer"] != RENDERER_VERSION:
            log.warning("%s: renderer %s then, %s now", path, state["renderer"], RENDERER_VERSION)


def on_cpu(state: Any) -> Any:
    """A state with its tensors on the CPU: one made on a GPU goes on, and ships, without one."""
    if isinstance(state, dict):
        return {key: on_cpu(value) for key, value in state.items()}
    if isinstance(state, list):
        return [on_cpu(value) for value in state]
    return state.cpu() if isinstance(state, Tensor) else state
