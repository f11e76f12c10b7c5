"""FAPrompt on a GPU: images/s, memory, waits, end to end, a training step, numbers against a CPU.

Random weights at full size (`tiny`: its own), nothing is downloaded. A section that fails becomes a
row with its error, and the rest goes on. For one run on a borrowed machine: about a minute.
`--device cpu` exercises the same code without a GPU.
"""

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from cuda_timing import (
    Results,
    busiest_kernels,
    captured,
    failure,
    largest_differences,
    milliseconds_of,
    peak_memory,
    synchronise,
    tf32_convolutions,
    waits,
    wall_seconds,
)
from gpu_model import cpu_backbone, noise, random_detector, seconds_of_an_image, whole_forward
from inference import bare_calls
from machine import DTYPES, Row, arguments, machine
from training_step import stages

from faprompt import Detector
from faprompt.clip.compute import resolve
from faprompt.clip.weights import Backbone

SMALLER = "ViT-B-16"
SLOW_CPU = 10.0  # seconds for one image: then the smaller backbone is compared


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What to measure."""

    device: str
    backbone: str
    batches: list[int]
    tiny_batches: list[int]
    host_batch: int
    """Images at once from the host; of `tiny` four times as many."""


def speed(detector: Detector, batch: int, device: str) -> Iterator[Row]:
    """Eager and as one CUDA graph, each beside its bare products and attentions."""
    images = noise(detector, batch)
    run = whole_forward(detector, images)
    spec, dtype = detector.backbone.spec, DTYPES[detector.precision]
    with torch.device(device):
        bare = torch.inference_mode()(bare_calls(spec, batch, dtype))
    base = {"backbone": spec.name, "precision": detector.precision, "batch": batch}
    row: dict[str, Any] = base | {"mode": "eager"}
    with peak_memory(device, row):
        took = milliseconds_of(run, device)
    yield row | figures(took, milliseconds_of(bare, device), batch)
    row = base | {"mode": "one graph"}
    try:
        with peak_memory(device, row):
            replay, found = captured(run)
            took = milliseconds_of(replay, device)
        images.copy_(noise(detector, batch, seed=1))  # a graph must read what is there now
        replay()
        differences = largest_differences(found, run())
        row |= figures(took, milliseconds_of(captured(bare)[0], device), batch)
        yield row | {"max |graph - eager|": max(differences.values())}
    except Exception as error:  # the reason is the result
        yield row | failure(error)


def figures(took: float, bare: float, batch: int) -> dict[str, Any]:
    """Milliseconds of a batch as a table shows them."""
    return {
        "images/s": 1000 * batch / took,
        "ms/batch": took,
        "bare ms/batch": bare,
        "total / bare": took / bare,
    }


def speeds(setting: Setting, precision: str) -> Iterator[Row]:
    """The backbone at every batch size."""
    with tf32_convolutions(False):
        detector = random_detector(setting.backbone, setting.device, precision)
        for batch in setting.batches:
            yield from speed(detector, batch, setting.device)


def tiny_speeds(setting: Setting) -> Iterator[Row]:
    """The embedded model at every batch size."""
    for precision in DTYPES:
        detector = Detector.load("tiny", device=setting.device, precision=precision)
        with tf32_convolutions(False):
            for batch in setting.tiny_batches:
                yield from speed(detector, batch, setting.device)
        with tf32_convolutions(True):  # what exact convolutions of the stem cost
            eager = next(speed(detector, setting.tiny_batches[-1], setting.device))
        yield {**eager, "mode": "eager, tf32 convolutions"}


def all_waits(setting: Setting) -> Iterator[Row]:
    """What waits for the GPU: the forward must not, a prediction does once, to return numbers."""
    detector = random_detector(setting.backbone, setting.device, "bf16")
    images = noise(detector, 2)
    keep = torch.ones(2, detector.grid**2, dtype=torch.bool, device=detector.device)
    run, host = whole_forward(detector, images), images.cpu()
    with torch.inference_mode():
        dual = detector.backbone.clip.visual.dual(images)
    network = detector.network

    @torch.inference_mode()
    def masked() -> None:
        scores = network(dual.image, dual.patches(), keep=keep, responses=True)
        scores.anomaly_map(detector.input_size, blur_sigma=network.config.blur_sigma)

    functions: dict[str, Callable[[], Any]] = {
        "forward": run,
        "static text, areas, responses": masked,
        "Detector.score": lambda: detector.score(host),
    }
    if setting.device != "cpu":
        parts = stages("bf16", device=setting.device)[:4]
        functions["training step"] = lambda: [part() for part in parts]
    for name, function in functions.items():
        try:
            yield {"of": name} | waits(function, setting.device)
        except Exception as error:  # the reason is the result
            yield {"of": name} | failure(error)


def end_to_end(setting: Setting) -> Iterator[Row]:
    """From host memory to numbers in host memory, by the library's own paths."""
    auto, batch = resolve(setting.device).precision, setting.host_batch
    yield from from_host(random_detector(setting.backbone, setting.device, auto), batch)
    tiny = Detector.load("tiny", device=setting.device, precision=auto)
    with tf32_convolutions(auto == "bf16"):  # as in a process where nothing else was loaded
        yield from from_host(tiny, 4 * batch)


def from_host(detector: Detector, batch: int) -> Iterator[Row]:
    """Tensors through the model alone, and arrays by the whole of ``Detector.predict``."""
    name, device, side = detector.backbone.spec.name, detector.device.type, detector.input_size
    base = {"backbone": name, "precision": detector.precision, "batch": batch}
    host = noise(detector, batch).cpu()
    took = wall_seconds(lambda: detector.score(host), device)
    yield base | {"path": "Detector.score, pixels on the host", "images/s": batch / took}
    rng = np.random.default_rng(0)
    arrays = [rng.integers(0, 255, (side, side, 3), dtype=np.uint8) for _ in range(8 * batch)]
    differences = predicted_against_scored(detector, arrays, batch)
    for workers in (2, 16):

        def everything(readers: int = workers) -> int:
            return sum(1 for _ in detector.predict(arrays, batch_size=batch, workers=readers))

        path = f"Detector.predict, arrays of {side} px, {workers} readers"
        rate = len(arrays) / wall_seconds(everything, device)
        yield base | {"path": path, "images/s": rate} | differences


def predicted_against_scored(
    detector: Detector, arrays: Sequence[Any], batch: int
) -> dict[str, Any]:
    """Largest differences of ``Detector.predict``, which works ahead, from batch after batch."""
    stream = list(detector.predict(arrays, batch_size=batch))
    found = {
        "image_score": torch.tensor([p.image_score for p in stream]),
        "anomaly_map": torch.from_numpy(np.stack([p.anomaly_map for p in stream])),
    }
    pixels = torch.stack([detector.read(array)[1] for array in arrays])
    scores, maps = zip(*map(detector.score, pixels.split(batch)), strict=True)
    exact = {"image_score": torch.cat(scores), "anomaly_map": torch.cat(maps)}
    return largest_differences(found, exact)


def training_steps(setting: Setting) -> Iterator[Row]:
    """One step on cached features at batch 8, the text tower of ViT-L-14-336."""
    for precision in DTYPES:
        row: dict[str, Any] = {"precision": precision}
        *functions, bare = stages(precision, device=setting.device)
        names = ("forward ms", "losses ms", "backward ms", "optimiser ms")

        def step(parts: list[Callable[[], None]] = functions) -> None:
            for part in parts:
                part()

        with peak_memory(setting.device, row):
            row["step ms"] = milliseconds_of(step, setting.device)
        row["bare ms"] = milliseconds_of(bare, setting.device)
        row["step / bare"] = row["step ms"] / row["bare ms"]
        spent = [0.0] * len(functions)
        for _ in range(10):
            for index, part in enumerate(functions):
                started = time.perf_counter()
                part()
                synchronise(setting.device)
                spent[index] += 100 * (time.perf_counter() - started)  # mean of ten, in ms
        yield row | dict(zip(names, spent, strict=True))


def numbers(setting: Setting) -> Iterator[Row]:
    """Scores and maps against fp32 on the CPU, from the same weights and one image."""
    chosen = setting.backbone
    if setting.device != "cpu" and seconds_of_an_image() > SLOW_CPU:
        chosen = SMALLER
    for name in ("tiny", f"random {chosen}"):
        if name == "tiny":
            exact = Detector.load("tiny", device="cpu", precision="fp32")
        else:
            exact = random_detector(chosen, setting.device, "fp32")
        found = copy.deepcopy((exact.network, exact.backbone.clip))
        exact = Detector(exact.network.cpu(), cpu_backbone(exact), exact.header)
        images = noise(exact, 1)
        reference = whole_forward(exact, images)()
        for precision, tf32 in (("fp32", True), ("fp32", False), ("bf16", False)):
            network, clip = copy.deepcopy(found)
            clip.to(setting.device, DTYPES[precision])
            network.to(setting.device).learner.float()
            if clip.spec.conv_stem:
                clip.visual.conv1.float()
            there = Detector(network, Backbone(clip, clip.spec, "", ""), exact.header)
            with tf32_convolutions(tf32):
                result = whole_forward(there, images.to(setting.device))()
            label = precision + (" with tf32 convolutions" if tf32 else "")
            differences = largest_differences(result, reference)
            yield {"backbone": name, "precision": label, "against": "CPU fp32"} | differences


def kernels(setting: Setting) -> Iterator[Row]:
    """Which kernels the time of one forward goes to (they say which attention was chosen)."""
    if setting.device == "cpu":
        raise RuntimeError("no kernels without a GPU")
    for precision in DTYPES:
        detector = random_detector(setting.backbone, setting.device, precision)
        run = whole_forward(detector, noise(detector, setting.batches[-1]))
        for row in busiest_kernels(run):
            yield {"precision": precision} | row


def main() -> None:
    """Every section, the most wanted first."""
    parser = arguments(__doc__)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--backbone", default="ViT-L-14-336")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tiny-batch", type=int, nargs="+", default=[32, 128])
    parser.add_argument("--host-batch", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=65, help="then the rest is skipped")
    parser.add_argument("--commit", help="where there is no .git to ask")
    parser.add_argument("--sections", nargs="+", help="these alone, by the start of their names")
    options = parser.parse_args()
    setting = Setting(
        device=options.device,
        backbone=options.backbone,
        batches=options.batch,
        tiny_batches=options.tiny_batch,
        host_batch=options.host_batch,
    )
    facts = machine() | {"auto": resolve(options.device).precision}
    facts |= {"commit": options.commit} if options.commit else {}
    print(", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    results = Results(facts, options.json, options.seconds)
    sections: dict[str, Callable[[], Iterator[Row]]] = {
        "waits for the GPU": lambda: all_waits(setting),
        "bf16": lambda: speeds(setting, "bf16"),
        "tiny": lambda: tiny_speeds(setting),
        "fp32": lambda: speeds(setting, "fp32"),
        "end to end": lambda: end_to_end(setting),
        "training step": lambda: training_steps(setting),
        "numbers": lambda: numbers(setting),
        "kernels": lambda: kernels(setting),
    }
    for name, section in sections.items():
        if options.sections is None or name.startswith(tuple(options.sections)):
            results.section(name, section())


if __name__ == "__main__":
    main()
