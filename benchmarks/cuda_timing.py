"""What the GPU benchmark is made of: timing by events, CUDA graphs, guarded rows, waits."""

import json
import statistics
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from machine import Row, print_table
from torch import Tensor

Run = Callable[[], Any]

SECONDS_PER_FIGURE = 0.4
REPEATS = (3, 30)  # at least, at most
MIB = 1 << 20


class Results:
    """Rows of every section, printed and written as soon as there are some."""

    def __init__(self, facts: Row, path: Path | None, seconds: float) -> None:
        self.content: dict[str, Any] = {"title": "GPU", "machine": dict(facts), "sections": {}}
        self.path = path
        self.ends = time.perf_counter() + seconds

    def section(self, name: str, rows: Iterator[Row]) -> None:
        """Collect the rows of a section; an error becomes its last row and the rest goes on."""
        found: list[Row] = []
        started = time.perf_counter()
        try:
            if started > self.ends:
                raise TimeoutError("skipped: the time for all sections is used up")
            for row in rows:
                found.append(row)
                if time.perf_counter() > self.ends:
                    raise TimeoutError("cut short: the time for all sections is used up")
        except Exception as error:  # whatever breaks on a machine never seen before
            found.append(failure(error))
        took = time.perf_counter() - started
        print(f"\n{name} ({took:.1f} s)")
        print_table(found)
        self.content["sections"][name] = {"seconds": took, "rows": found}
        self.write()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def write(self) -> None:
        """Write what there is, if it was asked for."""
        if self.path is not None:
            text = json.dumps(self.content, indent=1, default=str)
            self.path.write_text(text + "\n", encoding="utf-8")


def failure(error: Exception) -> dict[str, Any]:
    """An error as a row: what it was, and the last lines of the project that led to it."""
    first = (str(error).splitlines() or [""])[0]
    return {"error": f"{type(error).__name__}: {first}", "where": where(error)}


def where(error: BaseException) -> str:
    """The innermost lines of the project in an error's traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _ours(f.filename)]
    return " <- ".join(f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in frames[:-4:-1])


def _ours(file: str) -> bool:
    return "faprompt" in file or "benchmarks" in file


def synchronise(device: str) -> None:
    """Wait for all that was asked of a GPU; on a CPU nothing is left to wait for."""
    if device != "cpu":
        torch.cuda.synchronize()


def milliseconds_of(run: Run, device: str) -> float:
    """Median by CUDA events after a warm-up; on a CPU by the clock."""
    run()
    synchronise(device)
    started = time.perf_counter()
    run()
    synchronise(device)
    once = time.perf_counter() - started
    low, high = REPEATS
    repeats = min(high, max(low, int(SECONDS_PER_FIGURE / max(once, 1e-6))))
    if device == "cpu":
        return 1000 * statistics.median(_seconds(run) for _ in range(repeats))
    marks = [
        (torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
        for _ in range(repeats)
    ]
    for begin, end in marks:
        begin.record()
        run()
        end.record()
    synchronise(device)
    return float(statistics.median(begin.elapsed_time(end) for begin, end in marks))


def _seconds(run: Run) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def wall_seconds(run: Run, device: str) -> float:
    """By the clock, after a warm-up; for what includes work of the CPU."""

    def whole() -> None:
        run()
        synchronise(device)

    whole()
    return statistics.median(_seconds(whole) for _ in range(3))


def captured(run: Run) -> tuple[Run, Any]:
    """A CUDA graph of ``run``: its replay, and what it writes to.

    Raises:
        RuntimeError: it cannot be captured (it waits for the GPU, say), or there is no GPU.
    """
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        run()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = run()
    return graph.replay, found


@contextmanager
def peak_memory(device: str, row: dict[str, Any]) -> Iterator[None]:
    """Note the largest allocation inside, weights included; on a CPU nothing."""
    if device == "cpu":
        yield
        return
    synchronise(device)
    torch.cuda.reset_peak_memory_stats()
    yield
    row["peak MiB"] = torch.cuda.max_memory_allocated() / MIB


def waits(run: Run, device: str) -> dict[str, Any]:
    """Whether ``run`` waits for the GPU: the first place that does, and every one that says so."""
    if device == "cpu":
        raise RuntimeError("nothing to wait for without a GPU")
    run()
    synchronise(device)
    row: dict[str, Any] = {"waits": "no"}
    try:
        torch.cuda.set_sync_debug_mode("error")
        run()
    except RuntimeError as error:
        row = {"waits": "YES", **failure(error)}
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return row | {"all places": ", ".join(_places(run))}


def _places(run: Run) -> list[str]:
    """Where ``run`` waits, innermost line of the project each; no line: in the backward pass."""
    found: list[str] = []

    def note(message: Warning | str, *_: Any) -> None:
        if "called a synchronizing" in str(message):
            frames = [f for f in traceback.extract_stack()[:-1] if _ours(f.filename)]
            found.append(f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?")

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note  # type: ignore[assignment]  # takes all that is passed
        torch.cuda.set_sync_debug_mode("warn")
        try:
            run()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return found


@contextmanager
def tf32_convolutions(allowed: bool) -> Iterator[None]:
    """Whether cuDNN may round what convolutions read to 10 bits; torch allows it by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = allowed
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def largest_differences(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> dict[str, Any]:
    """Largest absolute difference of every tensor, wherever they lie."""
    return {f"max |d {name}|": (a[name].cpu() - b[name].cpu()).abs().max().item() for name in a}


def busiest_kernels(run: Run, count: int = 10) -> list[dict[str, Any]]:
    """The kernels that ``run`` spends most of its time in, after a warm-up."""
    run()
    activities = [torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        run()
        torch.cuda.synchronize()
    times = {e.key: (e.count, e.self_device_time_total) for e in profile.key_averages()}
    total = sum(spent for _, spent in times.values())
    busiest = sorted(times.items(), key=lambda item: -item[1][1])[:count]
    return [
        {"kernel": key[:100], "calls": calls, "ms": spent / 1000, "share": spent / total}
        for key, (calls, spent) in busiest
    ]
