"""The GPU benchmark on a CPU, of small shapes: what it reports, and that no section stops it."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
Sections = dict[str, Any]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import cuda_timing
    import gpu

    monkeypatch.setattr(cuda_timing, "REPEATS", (1, 1))
    return gpu


@pytest.fixture
def run(
    gpu: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Sections]:
    def measured(*options: str) -> Sections:
        small = {"backbone": "tiny", "batch": 1, "tiny-batch": 1, "host-batch": 1, "seconds": 1e5}
        words = ["gpu.py", "--device=cpu", *(f"--{name}={value}" for name, value in small.items())]
        out = tmp_path / "gpu.json"
        monkeypatch.setattr(sys, "argv", [*words, "--out", str(out), *options])
        gpu.main()
        found: Sections = json.loads(out.read_text())["sections"]
        return found

    return measured


def test_speed_is_that_of_the_whole_forward_beside_its_bare_calls(
    run: Callable[..., Sections],
) -> None:
    eager, graph = run("--sections", "bf16")["bf16"]["rows"]
    assert eager["images/s"] == pytest.approx(1000 / eager["ms/batch"])
    assert eager["total / bare"] == pytest.approx(eager["ms/batch"] / eager["bare ms/batch"])
    assert graph["mode"] == "one graph"
    # By the build of torch: RuntimeError, or the kind of it that knows of accelerators.
    assert re.match("(Runtime|Accelerator)Error: .*CUDA", graph["error"]), "there is no GPU here"
    assert "captured" in graph["where"]


def test_numbers_are_compared_with_fp32_on_the_cpu(run: Callable[..., Sections]) -> None:
    rows = {
        (r["backbone"], r["precision"]): r for r in run("--sections", "numbers")["numbers"]["rows"]
    }
    for name in ("tiny", "random tiny"):
        assert rows[name, "fp32"]["max |d image_score|"] == 0, "the same processor"
        assert 0 < rows[name, "bf16"]["max |d anomaly_map|"] < 0.1


@pytest.mark.slow
def test_a_section_that_fails_is_a_row_and_the_rest_goes_on(run: Callable[..., Sections]) -> None:
    found = run("--sections", "waits", "kernels", "end")
    for row in found["waits for the GPU"]["rows"]:
        assert "nothing to wait for" in row["error"]
    assert "no kernels" in found["kernels"]["rows"][-1]["error"]
    assert all(row["images/s"] > 0 for row in found["end to end"]["rows"])
    assert len(found["end to end"]["rows"]) == 6
    differences = [
        r["max |d anomaly_map|"] for r in found["end to end"]["rows"] if "predict" in r["path"]
    ]
    assert differences == [0] * 4


def test_what_exceeds_the_time_is_said_to_be_missing(gpu: ModuleType, tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield {"figure": 1}
        yield {"figure": 2}

    results = gpu.Results({}, tmp_path / "out.json", seconds=-1)
    results.section("late", rows())
    (only,) = json.loads((tmp_path / "out.json").read_text())["sections"]["late"]["rows"]
    assert "skipped" in only["error"]
