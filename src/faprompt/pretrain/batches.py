"""What one training step sees: pictures, masks, labels and sentences, all from the step's number.

Shapes: N scenes, B = 2 N images (damaged ones first), L patches, T text positions.
"""

from dataclasses import dataclass
from random import Random

import torch
from torch import Tensor

from faprompt.clip.registry import ClipSpec
from faprompt.clip.tokenizer import Tokenizer
from faprompt.pretrain import captions
from faprompt.pretrain.ahead import Ahead
from faprompt.pretrain.camera import shrink
from faprompt.pretrain.recipe import Recipe
from faprompt.pretrain.renderer import Rendered, Renderer

STATE_PAIRS = 4
"""Sentence pairs without the scene's words per step."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs and targets of one step."""

    images: Tensor
    """(B, 3, S, S), normalised as the backbone expects."""
    cover: Tensor
    """Share of each patch under the mask, (B, L)."""
    label: Tensor
    """1 for damaged, (B,)."""
    tokens: Tensor
    """(B + 2 * STATE_PAIRS, T): a caption per image, then normal and abnormal states."""
    state: Tensor
    """Which state pair an image is measured with, (B,)."""
    same: Tensor
    """Which captions are equal, (B, B)."""


class BatchMaker:
    """Renders and describes batches; the same step and part give the same batch."""

    def __init__(
        self, renderer: Renderer, recipe: Recipe, spec: ClipSpec, tokenizer: Tokenizer
    ) -> None:
        self.renderer, self.recipe, self.spec, self.tokenizer = renderer, recipe, spec, tokenizer
        self.blocks = Ahead(self._block, renderer.device)

    def make(self, step: int, part: int) -> Batch:
        """The batch of one part of a step, both counted from 0."""
        random = Random(self._seed(step, part))
        return batch_of(self._rendered(step, part), random, self.spec, self.tokenizer)

    def _rendered(self, step: int, part: int) -> Rendered:
        recipe = self.recipe
        count = recipe.scenes // recipe.parts
        if recipe.block == 1:
            return self._drawn(step, part, count)
        block, place = divmod(step, recipe.block)
        first = place * recipe.scenes + part * count
        return self.blocks.take(block).at(torch.arange(first, first + count))

    def _block(self, number: int) -> Rendered:
        """The scenes of ``block`` steps, shuffled."""
        step, count = number * self.recipe.block, self.recipe.scenes * self.recipe.block
        order = torch.Generator().manual_seed(self._seed(step, 0))
        return self._drawn(step, 0, count).at(torch.randperm(count, generator=order))

    def _drawn(self, step: int, part: int, count: int) -> Rendered:
        size, per_kind = self.recipe.stage_at(step).size, self.recipe.scenes_per_kind
        return self.renderer.render(self._seed(step, part), count, size, per_kind=per_kind)

    def _seed(self, step: int, part: int) -> int:
        return self.recipe.seed * 1_000_000_007 + step * self.recipe.parts + part


def batch_of(rendered: Rendered, random: Random, spec: ClipSpec, tokenizer: Tokenizer) -> Batch:
    """Describe rendered scenes and lay them out as a batch."""
    size = rendered.mask.shape[-1]
    texts = describe(rendered, random)
    pairs = [captions.state_pair(random) for _ in range(STATE_PAIRS - 1)]
    pairs.append(captions.METHOD_PAIR)
    sentences = texts + [p[0] for p in pairs] + [p[1] for p in pairs]
    number = {text: place for place, text in enumerate(texts)}
    caption = torch.tensor([number[text] for text in texts])
    mask = torch.cat([rendered.mask, torch.zeros_like(rendered.mask)])
    device = mask.device
    state = torch.tensor([random.randrange(STATE_PAIRS) for _ in range(len(mask) // 2)])
    return Batch(
        images=normalised(torch.cat([rendered.damaged, rendered.clean]), spec),
        cover=shrink(mask, size // spec.patch_size).flatten(1),
        label=torch.cat([rendered.visible, torch.zeros_like(rendered.visible)]).float(),
        tokens=tokenizer.encode(sentences, spec.context_length).to(device),
        state=state.repeat(2).to(device),
        same=(caption[:, None] == caption).to(device),
    )


def describe(rendered: Rendered, random: Random) -> list[str]:
    """A caption per image: the damaged ones first, then their twins."""
    damaged = [
        captions.abnormal_caption(scene, defect, place, random)
        if place
        else captions.normal_caption(scene, random)
        for scene, defect, place in zip(
            rendered.scenes, rendered.defects, captions.places_of(rendered.mask[:, 0]), strict=True
        )
    ]
    return damaged + [captions.normal_caption(scene, random) for scene in rendered.scenes]


def normalised(images: Tensor, spec: ClipSpec) -> Tensor:
    """Pixels in [0, 1] to the backbone's mean and deviation, (B, 3, S, S)."""
    mean = torch.tensor(spec.mean, device=images.device).view(3, 1, 1)
    std = torch.tensor(spec.std, device=images.device).view(3, 1, 1)
    return (images - mean) / std
