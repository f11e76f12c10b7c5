"""One 518x518 image through ViT-L-14-336 with random weights, in torch and as exported graphs.

From normalised pixels to image score and anomaly map, both rounds, all engines in turn in one run.
The graph is written first (minutes, 6 GB of memory).
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import (
    DTYPES,
    THREADS,
    arguments,
    milliseconds,
    quiet_start,
    random_network,
    report,
    timed,
)

from faprompt.clip.registry import get_spec
from faprompt.deploy.graph import Pipeline, write_onnx
from faprompt.deploy.openvino import write_openvino
from faprompt.runtime.sessions import onnx_session, openvino_session

BACKBONE = "ViT-L-14-336"


def in_torch(backbone: str, precision: str, batch: int) -> Callable[[], Any]:
    """The library's own forward."""
    spec = get_spec(backbone)
    clip, network = random_network(spec, DTYPES[precision])
    images = torch.randn(batch, 3, spec.default_size, spec.default_size)
    text = network.static_text()

    def run() -> None:
        with torch.inference_mode():
            seen = clip.visual.dual(images)
            scores = network(seen.image, seen.patches(), text=text)
            scores.anomaly_map(spec.default_size, blur_sigma=network.config.blur_sigma)

    return run


def exported(backbone: str, folder: Path, batch: int) -> dict[str, Callable[[], Any]]:
    """Sessions of the graph as ``faprompt export`` writes it."""
    spec = get_spec(backbone)
    clip, network = random_network(spec, torch.float32)
    graph, model = folder / "model.onnx", folder / "model.xml"
    write_onnx(Pipeline(clip.visual, network, spec.default_size), graph)
    write_openvino(graph, model, half=False)
    sessions = {"onnxruntime fp32": onnx_session(graph, device="cpu", threads=THREADS)} | {
        f"openvino {precision}": openvino_session(
            model, device="cpu", threads=THREADS, precision=precision
        )
        for precision in DTYPES
    }
    side = spec.default_size
    pixels = np.random.default_rng(0).standard_normal((batch, 3, side, side), dtype=np.float32)
    return {name: partial(session, pixels) for name, session in sessions.items()}


def rows(backbone: str, batch: int, repeats: int) -> Iterator[dict[str, Any]]:
    """One per engine and precision."""
    with tempfile.TemporaryDirectory() as folder:
        runs = {f"torch {p}": in_torch(backbone, p, batch) for p in DTYPES}
        runs |= exported(backbone, Path(folder), batch)

        def stages() -> Sequence[float]:
            return timed(*runs.values())

        for name, found in zip(runs, milliseconds(stages, repeats), strict=True):
            yield {"engine": name, "batch": batch, "ms/image": found / batch}


def main() -> None:
    """Measure every engine."""
    parser = arguments(__doc__)
    parser.add_argument("--backbone", default=BACKBONE)
    parser.add_argument("--batch", type=int, default=1)
    options = parser.parse_args()
    quiet_start()
    found = rows(options.backbone, options.batch, options.repeats)
    report(f"{options.backbone}, one image", found, options.json)


if __name__ == "__main__":
    main()
