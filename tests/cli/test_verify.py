"""The verify command: packaged cases, cases of one's own, and what exceeds its bound."""

import json
from pathlib import Path

import numpy as np
import pytest

from faprompt.cli import main as cli
from faprompt.method.verification import packaged_case, read_arrays

SIZES = {"seed": 7, "embed": 128, "native": 56, "vlayers": 24, "vwidth": 128, "patch": 14,
         "tlayers": 12, "batch": 3, "size": 98}  # fmt: skip


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["verify", "--device", "cpu", *map(str, args)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.json"
    path.write_text(json.dumps(SIZES))
    return path


def test_both_packaged_cases_are_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    shown = capsys.readouterr().out
    for name in ("small_released.npz", "small_paper_gather.npz", "every array is within its bound"):
        assert name in shown
    for name in ("image_features", "anomaly_map", "gradnorm_ctx_pos", "train_total"):
        assert shown.count(f"│ {name} ") == 2


def test_a_case_of_ones_own_and_files_that_lack_arrays(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = read_arrays(packaged_case("released"))
    np.savez(tmp_path / "some.npz", image_score=golden["image_score"], topk=golden["topk"])
    args = ("--case", case, "--golden", tmp_path / "some.npz", "--preset", "released")
    assert run(*args) == 0
    shown = capsys.readouterr().out
    assert "image_score" in shown
    assert "prior" not in shown.replace("gather of preset", "")


def test_an_array_beyond_its_bound_is_exit_code_1(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golden = read_arrays(packaged_case("paper"))
    np.savez(tmp_path / "off.npz", image_score=golden["image_score"] + 2e-5, prior=golden["prior"])
    assert run("--case", case, "--golden", tmp_path / "off.npz") == 1
    shown = capsys.readouterr().out
    assert shown.count("EXCEEDED") == 1
    assert "1 arrays exceed their bounds" in shown


def test_the_gather_of_the_other_preset_is_seen(case: Path) -> None:
    args = ("--case", case, "--golden", packaged_case("released"), "--preset", "paper")
    assert run(*args) == 1


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--golden", "GOLDEN"), "--case and --golden belong together"),
        (("--case", "CASE"), "--case and --golden belong together"),
        (("--preset", "papers"), "--preset must be paper or released, got 'papers'"),
        (("--case", "CASE", "--golden", "CASE"), "case.json: not a readable .npz file of arrays"),
        (("--case", "BAD", "--golden", "GOLDEN"), "did you mean 'seed'"),
        (("--case", "FEW", "--golden", "GOLDEN"), "vlayers must be a whole number of at least 20"),
    ],
)
def test_wrong_requests_are_one_line(
    args: tuple[str, ...],
    message: str,
    case: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "bad.json").write_text('{"seeds": 3}')
    (tmp_path / "few.json").write_text(json.dumps(SIZES | {"vlayers": 19}))
    paths = {
        "CASE": case,
        "BAD": tmp_path / "bad.json",
        "FEW": tmp_path / "few.json",
        "GOLDEN": packaged_case("paper"),
    }
    assert run(*(paths.get(a, a) for a in args)) == 1
    assert message in capsys.readouterr().err


def test_a_file_without_known_arrays_is_refused(
    case: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "none.npz", other=np.zeros(3))
    assert run("--case", case, "--golden", tmp_path / "none.npz") == 1
    assert "none.npz: holds no array that can be compared" in capsys.readouterr().err
