"""What every benchmark shares: the machine, repeated measurements, tables and JSON."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec
from faprompt.clip.shapes import empty_clip
from faprompt.config import MethodConfig
from faprompt.method.network import FAPrompt

ROOT = Path(__file__).parents[1]
THREADS = 2  # the marks are for two cores
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
NOISE = 1 << 20  # numbers that random weights repeat

Row = Mapping[str, Any]


def machine() -> dict[str, Any]:
    """Processor, cores, bf16 instructions, torch and commit."""
    capabilities = torch.cpu.get_capabilities()
    return {
        "cpu": _cpu_model(),
        "cores": torch.get_num_threads(),
        "amx_bf16": bool(capabilities.get("amx_bf16")),
        "avx512_bf16": bool(capabilities.get("avx512_bf16")),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "torch": torch.__version__,
        "commit": _commit(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Options that every benchmark has."""
    parser = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    parser.add_argument(
        "--json", "--out", type=Path, metavar="FILE", help="write the figures there, too"
    )
    parser.add_argument("--repeats", type=int, default=5, help="measurements per figure")
    return parser


def quiet_start() -> None:
    """Two threads, and the same random numbers every time."""
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)


def random_clip(spec: ClipSpec, dtype: torch.dtype) -> Clip:
    """A backbone of random weights that is there at once.

    torch's own initialisation of ViT-L's 430 million numbers takes a thread 5 to 20 s, and the time
    of a product does not depend on them.
    """
    clip = empty_clip(spec).to(dtype).to_empty(device="cpu").frozen()
    noise = 0.02 * torch.randn(NOISE, device="cpu")
    for weight in clip.parameters():
        copies = -(-weight.numel() // NOISE)
        weight.copy_(noise.repeat(copies)[: weight.numel()].view_as(weight))
    for module in clip.modules():
        if isinstance(module, nn.LayerNorm):
            module.reset_parameters()
    return clip


def random_network(spec: ClipSpec, dtype: torch.dtype) -> tuple[Clip, FAPrompt]:
    """A backbone of random weights, its towers in ``dtype``, and the method on it."""
    clip = random_clip(spec, dtype)
    network = FAPrompt(clip, MethodConfig()).eval()
    network.learner.float()
    return clip, network


def milliseconds(stages: Callable[[], Sequence[float]], repeats: int) -> list[float]:
    """Median of each stage in milliseconds, after one run that is not counted.

    Every run is told on stderr as it ends: of a benchmark that is stopped they are what remains.
    """
    runs = []
    for index in range(1 + repeats):
        runs.append([1000 * seconds for seconds in stages()])
        told = " ".join(f"{value:.1f}" for value in runs[-1])
        print(f"run {index or 'not counted'}: {told} ms", file=sys.stderr, flush=True)
    return [statistics.median(column) for column in zip(*runs[1:], strict=True)]


def timed(*functions: Callable[[], Any]) -> list[float]:
    """Seconds that each function took, one after the other."""
    marks = [time.perf_counter()]
    for function in functions:
        function()
        marks.append(time.perf_counter())
    return [b - a for a, b in pairwise(marks)]


def report(title: str, rows: Iterable[Row], path: Path | None) -> list[Row]:
    """Print machine and table; write both as JSON where a path is given.

    Rows may be measured as they are asked for: each is told on stderr and written at once, so that
    a benchmark that is stopped leaves those before.
    """
    facts, done = machine(), list[Row]()
    print(f"{title}\n" + ", ".join(f"{name} {value}" for name, value in facts.items()), flush=True)
    for row in rows:
        done.append(row)
        print(", ".join(f"{k} {_text(v)}" for k, v in row.items()), file=sys.stderr, flush=True)
        if path is not None:
            content = {"title": title, "machine": facts, "rows": done}
            path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print_table(done)
    return done


def print_table(rows: Sequence[Row]) -> None:
    """Print a table with every column that a row has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(_text(row.get(name)) for name in names) + " |", flush=True)


def check(rows: Sequence[Row], column: str, limits: Mapping[str, float]) -> None:
    """Exit with status 1 where a ratio is above the limit of its precision.

    Ratios within one run hold on any machine; seconds do not.
    """
    slow = [row for row in rows if row[column] > limits[row["precision"]]]
    for row in slow:
        print(f"too slow: {row['precision']}: {column} {row[column]:.2f}")
    if slow:
        raise SystemExit(1)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return "" if value is None else str(value)
