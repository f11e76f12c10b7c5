"""The import-checkpoint command, end to end on the golden backbone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from faprompt.cli import main as cli
from faprompt.clip.registry import REGISTRY
from faprompt.clip.weights import load_backbone
from faprompt.method.checkpoint import build_network, read_checkpoint
from faprompt.method.golden_case import GoldenCase
from faprompt.method.verification import packaged_case, read_arrays

CASE = GoldenCase()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "golden.safetensors"
    save_file(CASE.clip().state_dict(), path)
    return path


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTRY, "golden", CASE.spec)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """What the released code saves, from the golden learnable tensors."""
    table = CASE.clip().text.token_embedding.weight.detach()
    state: dict[str, Tensor] = CASE.released_learnables()
    for side, learned, words in (("pos", 5, [14115, 269]), ("neg", 7, [13568, 14115, 269])):
        ids = torch.tensor([49406, *[333] * learned, *words, 49407])
        ids = torch.nn.functional.pad(ids, (0, 77 - len(ids)))
        copies = 1 if side == "pos" else 10
        state[f"token_prefix_{side}"] = table[ids[:1]].repeat(1, copies, 1, 1)
        state[f"token_suffix_{side}"] = table[ids[1 + learned :]].repeat(1, copies, 1, 1)
        state[f"tokenized_prompts_{side}"] = ids.repeat(1, copies, 1)
    for j in range(8):
        state[f"compound_prompt_projections.{j}.weight"] = torch.zeros(896, CASE.embed)
    torch.save({"prompt_learner": state}, tmp_path / "epoch_15.pth")
    return tmp_path / "epoch_15.pth"


def run(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        cli.main(["import-checkpoint", *map(str, args)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_the_written_checkpoint_gives_the_golden_scores(
    released: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "ours.safetensors"
    code = run(released, "--backbone", "golden", "--weights", weights, "--out", out)
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert "10 abnormality prompts of 5 + 2 tokens, 8 deep prompts, prior from 10" in shown.out
    assert "agree with golden: token_prefix_neg, token_prefix_pos, token_suffix_neg" in shown.out
    for j in range(8):
        assert f"compound_prompt_projections.{j}.weight" in shown.out
    assert "ours.safetensors, preset released" in shown.out
    backbone = load_backbone("golden", weights=weights)
    network = build_network(*read_checkpoint(out), backbone, path=out)
    with torch.no_grad():
        dual = backbone.clip.visual.dual(CASE.images())
        scores = network(dual.image, dual.patches())
    golden = read_arrays(packaged_case("released"))
    np.testing.assert_allclose(scores.image_score, golden["image_score"], rtol=0, atol=1e-5)


def test_settings_that_tensors_do_not_tell_are_options(
    released: Path, weights: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ours.safetensors"
    options = ("--preset", "paper", "--blur-sigma", 4, "--input-size", 56, "--out", out)
    assert run(released, "--backbone", "golden", "--weights", weights, *options) == 0
    header, _ = read_checkpoint(out)
    assert header.method.preset_name == "paper"
    assert (header.method.blur_sigma, header.input_size) == (4.0, 56)


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


def test_refusals_are_one_line_and_write_nothing(
    released: Path,
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"prompt_learner": _Evil()}, tmp_path / "evil.pth")
    other = tmp_path / "other.safetensors"
    save_file(GoldenCase(seed=8).clip().state_dict(), other)
    exists = tmp_path / "exists.safetensors"
    exists.touch()
    out = tmp_path / "out.safetensors"
    for file, backbone, frozen, target, message in (
        ("evil.pth", "golden", weights, out, "Nothing of it was run"),
        (released, "golden", other, out, "the prompts were learned on another one"),
        (released, "golen", weights, out, "did you mean 'golden'"),
        (released, "golden", weights, exists, "exists already; choose another --out"),
    ):
        args = ("--backbone", backbone, "--weights", frozen, "--out", target)
        assert run(file, *args) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
    assert run(released, "--backbone", "golden", "--out", out, "--input-size", 55) == 1
    assert "--input-size 55 is not a multiple of golden's patch size 14" in capsys.readouterr().err
    assert not out.exists()
    assert not (tmp_path / "touched").exists()


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    assert run(tmp_path / "gone.pth", "--backbone", "tiny", "--out", tmp_path / "o") == 2
