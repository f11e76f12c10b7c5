"""How calm heat maps of good pictures are: the share of their pixels that is coloured.

    python benchmarks/calmness.py --data heldout --model runs/heldout/seed-111/best.safetensors tiny

Mean, median and maximum over the normal images of a labelled data set, per model.
"""

import argparse

import numpy as np

from faprompt import Detector, load_dataset
from faprompt.detection.labelled import score_samples


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", nargs="+", default=["tiny"])
    asked = parser.parse_args()
    normal = [sample for sample in load_dataset(asked.data).samples if sample.label == 0]
    for name in asked.model:
        detector = Detector.load(name)
        scored = score_samples(detector, normal, batch_size=detector.batch_size, workers=2)
        maps = [s.anomaly_map for group in scored for s in group if s.anomaly_map is not None]
        shares = [100 * float((found >= detector.colour_limits[0]).mean()) for found in maps]
        print(
            f"{name}: mean {np.mean(shares):.1f} %, median {np.median(shares):.1f} %, "
            f"maximum {max(shares):.1f} % ({len(shares)} images)",
            flush=True,
        )


if __name__ == "__main__":
    main()
