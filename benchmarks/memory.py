"""Resident memory of ViT-L-14-336 inference, in a fresh process, over many images.

A weight file with random numbers is written first, in fp16 as OpenAI's, then loaded and used as by
anybody. Linux only (/proc). Mark: 1.6 GB in bf16 at any number of images.
"""

import gc
import multiprocessing
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import DTYPES, arguments, quiet_start, report
from safetensors.torch import save_file

from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.weights import load_backbone
from faprompt.config import LossConfig, MethodConfig, TrainingConfig
from faprompt.detection.detector import Detector
from faprompt.method.checkpoint import FAPROMPT, Header, library_versions, save_checkpoint
from faprompt.method.network import PromptLearner

BACKBONE = "ViT-L-14-336"
FILE_DTYPES = {"fp16": torch.float16, "fp32": torch.float32}


def status(*fields: str) -> dict[str, float]:
    """Figures of /proc/self/status in MB (there in KiB)."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(":", 1) for line in lines)
    return {name: int(text.split()[0]) * 1024 / 1e6 for name, text in pairs if name in fields}


def write_weights(path: str, dtype: str, backbone: str = BACKBONE) -> None:
    """Random weights of the right shapes."""
    state = Clip(get_spec(backbone)).state_dict()
    save_file({n: t.to(FILE_DTYPES[dtype]).contiguous() for n, t in state.items()}, path)


def write_prompts(path: str, weights: str) -> None:
    """Prompts as they are before training, for those weights."""
    backbone = load_backbone(BACKBONE, weights=weights, dtype=torch.bfloat16)
    spec, method = backbone.spec, MethodConfig()
    header = Header(
        method=method,
        network=FAPROMPT,
        loss=LossConfig(),
        training=TrainingConfig(),
        backbone=spec.name,
        backbone_checksum=backbone.checksum,
        input_size=spec.default_size,
        epoch=0,
        data=(),
        metrics={},
        colour_limits=(0.4, 0.6),
        versions=library_versions(),
    )
    learner = PromptLearner(spec.embed_dim, spec.text.width, method)
    save_checkpoint(Path(path), learner.state_dict(), header)


def use(queue: Any, files: tuple[str, str], precision: str, counts: list[int]) -> None:
    """Load and predict; put one row into the queue per number of images."""
    quiet_start()
    prompts, weights = files
    detector = Detector.load(prompts, weights=weights, device="cpu", precision=precision)
    peak = status("VmHWM")["VmHWM"]
    loaded = status("VmRSS")["VmRSS"]
    done = 0
    for count in counts:
        for _ in detector.predict(noise(count - done)):
            pass
        done = count
        gc.collect()
        queue.put(
            {
                "precision": precision,
                "peak while loading MB": peak,
                "loaded MB": loaded,
                "images": count,
                "resident MB": status("VmRSS")["VmRSS"],
                "peak MB": status("VmHWM")["VmHWM"],
            }
        )


def noise(count: int) -> Iterator[np.ndarray]:
    """Images made as they are asked for."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.integers(0, 255, (600, 800, 3), dtype=np.uint8)


def fresh(function: Callable[..., None], *values: Any) -> SpawnProcess:
    """The function, started in a process that has nothing in memory yet."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=values)
    process.start()
    return process


def main() -> None:
    """One fresh process per precision."""
    parser = arguments(__doc__)
    parser.add_argument("--precision", choices=DTYPES, nargs="+", default=["bf16"])
    parser.add_argument("--file", choices=FILE_DTYPES, default="fp16", help="the weight file's")
    parser.add_argument("--images", type=int, nargs="+", default=[4, 16])
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        weights, prompts = f"{name}/weights.safetensors", f"{name}/prompts.safetensors"
        fresh(write_weights, weights, options.file).join()
        fresh(write_prompts, prompts, weights).join()
        for precision in options.precision:
            queue = multiprocessing.get_context("spawn").Queue()
            process = fresh(use, queue, (prompts, weights), precision, options.images)
            process.join()
            rows += [queue.get(timeout=60) for _ in options.images]
    report(f"{BACKBONE}, memory, weights in {options.file}", rows, options.json)


if __name__ == "__main__":
    main()
