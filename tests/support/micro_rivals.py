"""A micro CLIP with a vocabulary beside its weights, images for it, and naive arithmetic."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import tokenizers
import torch
from micro_training import SPEC as TRAINING_SPEC
from micro_training import make_backbone
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from torch import Tensor

from faprompt.clip.registry import ClipSpec
from faprompt.clip.tokenizer import END, START
from faprompt.clip.weights import Backbone
from faprompt.protocol.scorer import Scorer, Seen

WORDS = (
    "object", "damaged", ".", "a", "the", "photo", "of", "normal", "anomalous", "flawless",
    "perfect", "unblemished", "without", "with", "flaw", "defect", "damage", "cropped", "close",
    "-", "up", "bright", "dark", "jpeg", "corrupted", "blurry", "small", "large", "for",
    "visual", "inspection", "anomaly", "detection", "an",
)  # fmt: skip
IDS = {"[UNK]": 0, START: 1, END: 2} | {word: 3 + i for i, word in enumerate(WORDS)}
SPEC: ClipSpec = replace(TRAINING_SPEC, vocab_size=40, context_length=24)


def make_rival_backbone(folder: Path, *, seed: int = 0) -> Backbone:
    """Random weights that lie in a folder with their vocabulary."""
    vocabulary = tokenizers.Tokenizer(WordLevel(IDS, unk_token="[UNK]"))
    vocabulary.pre_tokenizer = Whitespace()
    vocabulary.add_special_tokens([START, END])
    vocabulary.save(str(folder / "tokenizer.json"))
    return replace(make_backbone(seed, SPEC), source=str(folder))


def images(count: int = 3, side: int = 64) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(5))


def see(backbone: Backbone, scorer: Scorer, pixels: Tensor) -> Seen:
    """What a runner hands to a scorer: the blocks that it asks for and the last one."""
    visual = backbone.clip.visual
    last = len(visual.transformer.resblocks) - 1
    with torch.inference_mode():
        return Seen(pixels, visual.dual(pixels, {*scorer.blocks, last}))


def words(text: str) -> list[int]:
    """Token ids of a text of known words, with start and end."""
    parts = text.replace(".", " .").replace("-", " - ").split()
    return [1, *(IDS[part] for part in parts), 2]


def text_feature(backbone: Backbone, text: str) -> list[float]:
    """Unit feature of one text alone."""
    feature = backbone.clip.encode_text(torch.tensor([words(text)]))[0]
    return unit(feature.tolist())


def unit(vector: Sequence[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in vector))
    return [value / length for value in vector]


def mean_unit(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Direction of the mean."""
    return unit([sum(column) / len(vectors) for column in zip(*vectors, strict=True)])


def probability(
    feature: Sequence[float], normal: Sequence[float], abnormal: Sequence[float], tau: float
) -> float:
    """Of the abnormal prototype, by a softmax over two cosines."""
    x = unit(feature)
    exponents = [
        math.exp(sum(a * b for a, b in zip(x, text, strict=True)) / tau)
        for text in (normal, abnormal)
    ]
    return exponents[1] / sum(exponents)


def resized(values: Sequence[float], size: int) -> Tensor:
    """Patch values of a square grid as a map, bilinear with pixel centres, by loops."""
    grid = math.isqrt(len(values))
    found = torch.zeros(size, size)
    for row in range(size):
        for column in range(size):
            total = 0.0
            for place in _corners(row, size, grid):
                for other in _corners(column, size, grid):
                    total += place[1] * other[1] * values[place[0] * grid + other[0]]
            found[row, column] = total
    return found


def _corners(position: int, size: int, grid: int) -> list[tuple[int, float]]:
    """Both neighbours of a pixel's centre on the grid, with their weights."""
    place = max(0.0, (position + 0.5) * grid / size - 0.5)
    low = min(int(place), grid - 1)
    high = min(low + 1, grid - 1)
    return [(low, 1 - (place - low)), (high, place - low)]
