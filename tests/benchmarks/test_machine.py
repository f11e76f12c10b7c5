"""What the benchmarks share: rows survive what stops a run, and weights that are there at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from faprompt.clip.registry import get_spec

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import machine

    return machine


def test_rows_before_a_failure_are_in_the_file(machine: ModuleType, tmp_path: Path) -> None:
    def rows() -> Iterator[dict[str, float]]:
        yield {"ms": 1.5}
        raise TimeoutError

    with pytest.raises(TimeoutError):
        machine.report("times", rows(), tmp_path / "times.json")
    assert json.loads((tmp_path / "times.json").read_text())["rows"] == [{"ms": 1.5}]


def test_the_first_run_is_told_but_not_counted(
    machine: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    seconds = iter([[9.0], [0.001], [0.002], [0.003]])
    assert machine.milliseconds(lambda: next(seconds), 3) == [2.0]
    assert "not counted: 9000.0 ms" in capsys.readouterr().err


def test_random_weights_fill_every_parameter(machine: ModuleType) -> None:
    spec = get_spec("tiny")
    clip = machine.random_clip(spec, torch.bfloat16)
    assert {p.dtype for p in clip.parameters()} == {torch.bfloat16}
    assert all(0 < float(p.float().std()) < 0.1 for p in clip.parameters() if p.ndim > 1)
    assert bool(
        clip.visual(torch.randn(1, 3, spec.default_size, spec.default_size)).isfinite().all()
    )
