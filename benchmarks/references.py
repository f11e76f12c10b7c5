"""What a reference memory adds to ``tiny`` on real images: 0, 1, 4 and 8 good images, five seeds.

The eight references of a seed are drawn from the good images and left out of the evaluation; one
and four are the first of them, so that all columns of a seed see the same images.

    FAPROMPT_DATA=/path/to/folder python benchmarks/references.py --out figures.json
"""

import argparse
import json
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from faprompt import Detector, load_dataset
from faprompt.data.hashing import content_hash
from faprompt.data.masks import read_mask
from faprompt.data.samples import Sample
from faprompt.detection.figures import class_result
from faprompt.detection.references import ReferenceMemory, normalised
from faprompt.detection.spool import MapSpool
from faprompt.method.network import Scores

SETS = ("magnetic_tile", "bsdata", "hazelnut_toy", "brain_mri")  # kvasir_seg has no good images
COUNTS = (0, 1, 4, 8)
SEEDS = range(5)
METRICS = ("image_auroc", "image_ap", "pixel_auroc", "pixel_aupro")
BATCH = 16


class Looked:
    """One data set, through the image tower once: zero-shot scores and patch features."""

    def __init__(self, detector: Detector, samples: Sequence[Sample]) -> None:
        self.detector, self.samples = detector, samples
        self.hashes = {s.image_path: content_hash(s.image_path) for s in samples}
        self.patches: list[Tensor] = []
        self.scores: list[Scores] = []
        for start in range(0, len(samples), BATCH):
            self._look(samples[start : start + BATCH])
        self.masks = [read_mask(sample, detector.input_size) for sample in samples]

    @torch.inference_mode()
    def _look(self, group: Sequence[Sample]) -> None:
        pixels = torch.stack([self.detector.read(sample.image_path)[1] for sample in group])
        dual = self.detector.backbone.clip.visual.dual(pixels)
        scores = self.detector.network(dual.image, dual.patches())
        for i, patches in enumerate(normalised(dual.patches())):
            self.patches.append(patches)
            self.scores.append(
                replace(
                    scores,
                    image_score=scores.image_score[[i]],
                    first=scores.first[[i]],
                    second=scores.second[[i]],
                )
            )

    def figures(self, memory: ReferenceMemory | None, left_out: set[Path]) -> dict[str, Any]:
        """Metrics without the images that are left out."""
        sigma = self.detector.network.config.blur_sigma
        found: list[tuple[str, int, float]] = []
        with MapSpool() as spool:
            for sample, scores, mask, patches in zip(
                self.samples, self.scores, self.masks, self.patches, strict=True
            ):
                if sample.image_path in left_out:
                    continue
                joined = memory.joined(scores, patches[None]) if memory else scores
                label = int(sample.label or 0)
                found.append((str(sample.image_path), label, float(joined.image_score)))
                if mask is not None:
                    size = self.detector.input_size
                    spool.append(joined.anomaly_map(size, blur_sigma=sigma)[0].numpy(), mask)
            return class_result("all", found, spool).values


def runs(looked: Looked, good: Sequence[Path]) -> Iterator[dict[str, Any]]:
    """Figures of all seeds and counts."""
    for seed in SEEDS:
        chosen = random.Random(seed).sample(list(good), max(COUNTS))
        known = {content_hash(path) for path in chosen}  # brain_mri holds images twice
        left_out = {p for p, found in looked.hashes.items() if found in known}
        for count in COUNTS:
            memory = None
            if count:
                memory = ReferenceMemory.of(looked.detector, chosen[:count])
            values = looked.figures(memory, left_out)
            yield {"seed": seed, "references": count, **{m: values[m] for m in METRICS}}


def good_images(folder: Path, samples: Sequence[Sample]) -> list[Path]:
    """Where references are drawn from: training images where there are any, else good test ones."""
    training = sorted(folder.glob("**/train/good/*"))
    found = training or [s.image_path for s in samples if s.label == 0]
    return list({content_hash(path): path for path in found}.values())


def summary(rows: Sequence[dict[str, Any]]) -> str:
    """Mean and standard deviation over the seeds, in percent."""
    lines = []
    for count in COUNTS:
        cells = []
        for metric in METRICS:
            values = [row[metric] for row in rows if row["references"] == count]
            known = [100 * value for value in values if value is not None]
            cells.append(f"{mean(known):5.1f} +- {stdev(known):4.1f}" if known else "      -     ")
        lines.append(f"{count:3d}  " + "  ".join(cells))
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="*", default=SETS)
    arguments = parser.parse_args()
    root = Path(os.environ["FAPROMPT_DATA"]) / "data"
    detector = Detector.load("tiny", device="cpu", precision="fp32")
    found: dict[str, Any] = {}
    with torch.inference_mode():
        for name in arguments.sets:
            samples = load_dataset(root / name).samples
            looked = Looked(detector, samples)
            found[name] = list(runs(looked, good_images(root / name, samples)))
            print(f"{name}\nrefs {'  '.join(f'{m:>13}' for m in METRICS)}")
            print(summary(found[name]), flush=True)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
