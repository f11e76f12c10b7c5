"""Heat maps to look at: where the reference does best and worst on each target.

The maps of the few chosen images are made once and kept beside the results.
Shapes: M methods, E examples, S input side in pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faprompt.data.images import open_image
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.detector import to_original
from faprompt.detection.page import Card, Picture
from faprompt.detection.page_pictures import outlined
from faprompt.detection.rendering import overlay
from faprompt.detection.score_axis import score_text
from faprompt.errors import FAPromptError
from faprompt.files import replacing
from faprompt.metrics.bootstrap import pixel_samples
from faprompt.protocol.cells import ClassPart, recipe_hash
from faprompt.protocol.material import Present
from faprompt.protocol.methods import get_method
from faprompt.protocol.results import Key, Results
from faprompt.protocol.scoring import blocks_of, see, short_path
from faprompt.protocol.tables import title_of
from faprompt.training.feature_cache import ImageTower

EACH = 2
"""Best and worst examples per target."""
SHOWN = 3
"""Methods whose maps are shown."""
COLOUR_FROM, COLOUR_FULL = 80.0, 99.8
"""Percentiles of a method's values on the images shown: where colour starts and is full."""


@dataclass(frozen=True, slots=True)
class Example:
    """A chosen image."""

    why: str
    path: str
    """Below the root of its data set."""
    class_name: str


def shown_methods(results: Results, key: Key) -> list[str]:
    """The reference and the best of the others that are no ablations of it."""
    ours = results.reference
    order = []
    for method in results.plan.methods:
        measured = results.measured(key, method)
        if measured is None or method == ours or method.startswith(f"{ours}-"):
            continue
        summaries = measured.summaries
        mean = summaries["pixel_aupro"].mean or summaries["image_auroc"].mean or 0.0
        order.append((-mean, method))
    first = [ours] if results.cells(key, ours) else []
    return (first + [method for _, method in sorted(order)])[:SHOWN]


def choose(parts: Sequence[ClassPart]) -> list[Example]:
    """Best and worst of the anomalous images, and the normal one that looks most suspicious."""
    ranked: list[tuple[float, Example]] = []
    for part in parts:
        ranked += _by_pixels(part) if part.bins is not None else _by_score(part, label=1)
    ranked.sort(key=lambda pair: -pair[0])
    if len(ranked) > 2 * EACH:
        ranked = ranked[:EACH] + ranked[-EACH:]
    chosen = [example for _, example in ranked]
    normal = sorted((p for part in parts for p in _by_score(part, label=0)), key=lambda p: -p[0])
    return chosen + [example for _, example in normal[:1]]


def _by_pixels(part: ClassPart) -> list[tuple[float, Example]]:
    """How well the map of each image tells its defect from the rest."""
    assert part.bins is not None
    areas = pixel_samples(part.bins, np.eye(part.known.size))["pixel_auroc"]
    return [
        (float(area), _example(part, int(index), f"pixel AUROC {100 * area:.0f}"))
        for index, area in zip(part.known, areas, strict=True)
        if np.isfinite(area)
    ]


def _by_score(part: ClassPart, *, label: int) -> list[tuple[float, Example]]:
    return [
        (float(part.scores[i]), _example(part, int(i), f"image score {score_text(part.scores[i])}"))
        for i in np.flatnonzero(part.labels == label)
    ]


def _example(part: ClassPart, index: int, why: str) -> Example:
    return Example(why, part.paths[index], str(part.facts["name"]))


def example_cards(results: Results, key: Key, folder: Path) -> list[Card]:
    """Cards of one target; none without a finished method, or where images are gone.

    Args:
        results: Says which images and methods.
        key: The target.
        folder: Maps made before are found there, new ones are kept.
    """
    methods = shown_methods(results, key)
    if not methods:
        return []
    found = _present(results, key)
    samples = {short_path(s.image_path, found.dataset.root): s for s in found.dataset.samples}
    examples = choose(results.store.parts(results.cells(key, methods[0])[0]))
    examples = [example for example in examples if example.path in samples]
    pairs = [(example, samples[example.path]) for example in examples]
    try:
        maps = _maps(results, key, methods, samples=[sample for _, sample in pairs], folder=folder)
        limits = [_limits(of_method) for of_method in maps]
        return [_card(pair, methods, maps[:, i], limits) for i, pair in enumerate(pairs)]
    except FAPromptError:
        return []  # pictures are no reason to lose the figures


def _present(results: Results, key: Key) -> Present:
    for transfer in results.plan.transfers:
        for data in transfer.targets:
            found = results.outcome.material.of(data)
            if (transfer.name, data.name) == (key.transfer, key.target):
                assert isinstance(found, Present)
                return found
    raise AssertionError(key)


def _maps(
    results: Results, key: Key, methods: list[str], *, samples: list[Sample], folder: Path
) -> NDArray[np.float32]:
    """Maps (M, E, S, S), from the disk or made now."""
    cells = [results.cells(key, method)[0] for method in methods]
    name = recipe_hash({"cells": cells, "images": [s.image_path.name for s in samples]})[:16]
    path = folder / f"{name}.npy"
    if (stored := _stored(path)) is not None:
        return stored
    outcome = results.outcome
    tower = ImageTower(outcome.backbone, outcome.input_size)
    pixels = [tower.read(sample.image_path) for sample in samples]
    scorers = []
    for method in methods:
        entry = next(e for e in results.entries(key, method) if e.cell)
        scorers.append(
            get_method(method).scorer(
                outcome.backbone,
                entry.checkpoint,
                input_size=outcome.input_size,
                blur_sigma=results.plan.blur_sigma,
            )
        )
    seen = see(tower, pixels, blocks_of(tower, scorers))
    maps = np.stack([scorer.score(seen)[1].numpy() for scorer in scorers])
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, maps.astype(np.float16), allow_pickle=False)
    return maps.astype(np.float16).astype(np.float32)  # the same as when they are read again


def _stored(path: Path) -> NDArray[np.float32] | None:
    try:
        kept: NDArray[np.float16] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None  # not there, or damaged: made again
    return kept.astype(np.float32)


def _limits(maps: NDArray[np.float32]) -> tuple[float, float]:
    low, high = np.percentile(maps, [COLOUR_FROM, COLOUR_FULL])
    return float(low), max(float(high), float(low) + 1e-6)


def _card(
    pair: tuple[Example, Sample],
    methods: list[str],
    maps: NDArray[np.float32],
    limits: list[tuple[float, float]],
) -> Card:
    example, sample = pair
    image = open_image(sample.image_path)
    mask = read_mask(sample, None) if sample.label else None
    truth = outlined(image, mask) if mask is not None else image
    what = f"{example.class_name}, {sample.anomaly_type}"
    pictures = [
        Picture(
            caption="image" + (", defect outlined" if mask is not None else ""),
            alt=what,
            image=truth,
        )
    ]
    for method, array, ends in zip(methods, maps, limits, strict=True):
        shown = overlay(image, to_original(array, image.size), ends)
        title = title_of(method)
        pictures.append(Picture(caption=title, alt=f"{what}: heat map of {title}", image=shown))
    return Card(
        title=f"{example.path}: {example.why}",
        group="",
        scores=(),
        pictures=tuple(pictures),
        tag="good" if sample.label == 0 else sample.anomaly_type,
        anomalous=bool(sample.label),
    )
