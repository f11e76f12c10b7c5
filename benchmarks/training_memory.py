"""Resident memory of training with cached features, in a fresh process, stage by stage.

A weight file with random numbers and noisy images are written first; then prompts are learned for
one epoch as `faprompt train` does: load, cache features, learn. Linux only (/proc). Mark: below
8 GB; exit 1 above.
"""

from argparse import Namespace
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from machine import DTYPES, arguments, quiet_start, report
from memory import FILE_DTYPES, fresh, status, write_weights
from PIL import Image

from faprompt.clip.weights import load_backbone
from faprompt.config import train_settings
from faprompt.data.datasets import load_dataset
from faprompt.training.run import Places, Watcher, train

MARK = 8000.0  # MB
SIDE = 1024  # pixels of an image, as in MVTec AD


def write_parts(folder: Path, each: int) -> None:
    """Noise, half of it called anomalous, with masks."""
    rng = np.random.default_rng(0)
    for kind in ("normal", "anomalous", "masks"):
        (folder / kind).mkdir(parents=True)
    for i in range(each):
        for kind in ("normal", "anomalous"):
            pixels = rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / kind / f"{kind[0]}{i}.png")
        mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
        mask[100:300, 100 + i : 300] = 255
        Image.fromarray(mask).save(folder / "masks" / f"a{i}.png")


def use(queue: Any, backbone: str, precision: str, folder: str) -> None:
    """Load, cache and learn; put the figures into the queue."""
    quiet_start()
    root = Path(folder)
    loaded = load_backbone(backbone, weights=root / "weights.safetensors", dtype=DTYPES[precision])
    row: dict[str, Any] = {"backbone": backbone, "precision": precision}
    row["loaded MB"] = status("VmRSS")["VmRSS"]
    row["peak, loading"] = status("VmHWM")["VmHWM"]

    def cached(images: int) -> None:
        row["images"] = row.get("images", 0) + images
        row["peak, cached"] = status("VmHWM")["VmHWM"]

    train(
        [load_dataset(root / "parts")],
        loaded,
        train_settings({"epochs": 1, "select": "fixed:1"}),
        places=Places(out=root / f"run-{precision}", cache=root / "cache"),
        watcher=Watcher(cached=cached),
    )
    row["resident MB"] = status("VmRSS")["VmRSS"]
    row["peak MB"] = status("VmHWM")["VmHWM"]
    queue.put(row)


def measured(options: Namespace) -> Iterator[dict[str, Any]]:
    """One fresh process per precision."""
    with TemporaryDirectory() as name:
        weights = f"{name}/weights.safetensors"
        fresh(write_weights, weights, options.file, options.backbone).join()
        write_parts(Path(name, "parts"), options.each)
        for precision in options.precision:
            queue = get_context("spawn").Queue()
            process = fresh(use, queue, options.backbone, precision, name)
            process.join()
            yield queue.get(timeout=60)


def main() -> None:
    """A row per precision."""
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default="ViT-L-14-336")
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=list(DTYPES))
    parser.add_argument("--file", choices=FILE_DTYPES, default="fp32", help="the weight file's")
    parser.add_argument("--each", type=int, default=8, help="normal images; as many anomalous")
    options = parser.parse_args()
    title = f"training, memory, weights in {options.file}"
    rows = report(title, measured(options), options.json)
    if any(row["peak MB"] > MARK for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
