"""What training in bf16 does to metrics: `tiny`, the same seeds in fp32 and in bf16.

Prompts are learned on a labelled source set, whose held-out classes choose the epoch, and measured
there and on other sets. Differences are paired by seed. "trained": both evaluated in fp32, so that
training alone differs; "both": trained and evaluated in bf16, as `--precision bf16` does.

Example: python benchmarks/training_precision.py --source parts --targets others --epochs 6
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import DTYPES, arguments, quiet_start, report

from faprompt.clip.weights import load_backbone
from faprompt.config import train_settings
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.figures import METRICS
from faprompt.training.run import Places, Watcher, train
from faprompt.training.selection import Split

PAIRS = {"trained": "fp32", "both": "bf16"}
"""Precision of the evaluation after training in bf16; compared with fp32 for both."""
Figures = dict[str, dict[str, float | None]]
"""Set to metric to fraction."""


def learn(
    source: Dataset, precision: str, *, seed: int, epochs: int, folder: Path
) -> tuple[Path, Dataset]:
    """One run: its best prompts, and the held-out part of the source."""
    splits: list[Split] = []
    result = train(
        [source],
        load_backbone("tiny", dtype=DTYPES[precision]),
        train_settings({"seed": seed, "epochs": epochs}),
        places=Places(out=folder / f"{precision}-{seed}", cache=folder / "cache"),
        watcher=Watcher(split=splits.append),
    )
    samples = tuple(e.sample for e in splits[0].heldout)
    return result.files.best, replace(source, samples=samples)


def measure(prompts: Path, precision: str, sets: Mapping[str, Dataset]) -> Figures:
    """Mean over classes, for every set."""
    detector = Detector.load(prompts, device="cpu", precision=precision)
    return {name: evaluate(detector, dataset).mean()[0] for name, dataset in sets.items()}


def one_seed(
    source: Dataset, targets: Sequence[Dataset], *, seed: int, epochs: int, folder: Path
) -> dict[str, Figures]:
    """Figures of fp32 for all, and of what PAIRS names."""
    named = {dataset.name: dataset for dataset in targets}
    found: dict[str, Figures] = {}
    for precision in DTYPES:
        prompts, heldout = learn(source, precision, seed=seed, epochs=epochs, folder=folder)
        sets = {f"{source.name}, held out": heldout} | named
        if precision == "fp32":
            found["fp32"] = measure(prompts, "fp32", sets)
            continue
        for name, evaluated in PAIRS.items():
            found[name] = measure(prompts, evaluated, sets)
    return found


def table(runs: Sequence[dict[str, Figures]]) -> list[dict[str, Any]]:
    """Per set and metric: fp32 in percent, and the differences in points."""
    rows = []
    for name in runs[0]["fp32"]:
        for metric in METRICS:
            exact = [run["fp32"][name][metric] for run in runs]
            values = [100 * v for v in exact if v is not None]
            if len(values) < len(runs):
                continue
            row = {"set": name, "metric": metric, "fp32 %": _spread(values)}
            for pair in PAIRS:
                rough = [run[pair][name][metric] for run in runs]
                moved = [100 * b - a for a, b in zip(values, rough, strict=True) if b is not None]
                row[f"{pair}, points"] = _spread(moved, sign="+")
                row[f"{pair}, each"] = " ".join(f"{d:+.2f}" for d in moved)
            rows.append(row)
    return rows


def _spread(values: Sequence[float], sign: str = "") -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.fmean(values):{sign}.2f} ± {deviation:.2f}"


def main() -> None:
    """Learn and measure with every seed."""
    parser = arguments(__doc__)
    parser.add_argument("--source", type=Path, required=True, help="labelled folder")
    parser.add_argument("--targets", type=Path, nargs="*", default=[], help="labelled folders")
    parser.add_argument("--seeds", type=int, nargs="+", default=[111, 112, 113])
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    quiet_start()
    source = load_dataset(options.source)
    targets = [load_dataset(folder) for folder in options.targets]
    with TemporaryDirectory() as name:
        runs = [
            one_seed(source, targets, seed=seed, epochs=options.epochs, folder=Path(name))
            for seed in options.seeds
        ]
    report(
        f"tiny, {options.epochs} epochs, {len(runs)} seeds: bf16 against fp32",
        table(runs),
        options.json,
    )


if __name__ == "__main__":
    main()
