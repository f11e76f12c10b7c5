"""How far bf16 moves the metrics of `tiny` against fp32, on labelled folders of real images.

Example: python benchmarks/precision.py path/to/data/hazelnut_toy path/to/data/bsdata
"""

from pathlib import Path

from machine import arguments, quiet_start, report

from faprompt.data.datasets import load_dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.figures import METRICS

MARK = 0.1  # percentage points


def main() -> None:
    """Evaluate every folder in both precisions; one row per metric."""
    parser = arguments(__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    options = parser.parse_args()
    quiet_start()
    detectors = [Detector.load("tiny", device="cpu", precision=p) for p in ("fp32", "bf16")]
    rows = []
    for folder in options.folders:
        dataset = load_dataset(folder)
        exact, rough = (evaluate(detector, dataset).mean()[0] for detector in detectors)
        for metric in METRICS:
            a, b = exact[metric], rough[metric]
            if a is None or b is None:
                continue
            moved = 100 * (b - a)
            rows.append(
                {
                    "data set": dataset.name,
                    "metric": metric,
                    "fp32 %": f"{100 * a:.3f}",
                    "bf16 %": f"{100 * b:.3f}",
                    "moved, points": f"{moved:+.3f}",
                    f"within {MARK}": "yes" if abs(moved) <= MARK else "NO",
                }
            )
    report("bf16 against fp32, tiny", rows, options.json)


if __name__ == "__main__":
    main()
