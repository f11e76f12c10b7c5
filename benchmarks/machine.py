"""What every benchmark shares: the machine, repeated measurements, tables and JSON."""

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]
THREADS = 2  # the marks are for two cores
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}

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


def milliseconds(stages: Callable[[], Sequence[float]], repeats: int) -> list[float]:
    """Median of each stage in milliseconds, after one run that is not counted."""
    stages()
    runs = [stages() for _ in range(repeats)]
    return [1000 * statistics.median(column) for column in zip(*runs, strict=True)]


def timed(*functions: Callable[[], Any]) -> list[float]:
    """Seconds that each function took, one after the other."""
    marks = [time.perf_counter()]
    for function in functions:
        function()
        marks.append(time.perf_counter())
    return [b - a for a, b in pairwise(marks)]


def report(title: str, rows: Sequence[Row], path: Path | None) -> None:
    """Print machine and table; write both as JSON where a path is given."""
    facts = machine()
    print(f"{title}\n" + ", ".join(f"{name} {value}" for name, value in facts.items()))
    print_table(rows)
    if path is not None:
        content = {"title": title, "machine": facts, "rows": list(rows)}
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


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
