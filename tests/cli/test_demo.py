"""The demo as a user types it: small, on random weights."""

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner, Result

from faprompt.cli import demo_run
from faprompt.cli.demo_run import DemoFolder
from faprompt.cli.main import load_commands
from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.weights import load_backbone
from faprompt.config import MethodConfig
from faprompt.data.samples import Dataset
from faprompt.errors import OutputError
from faprompt.method.checkpoint import Header, save_checkpoint
from faprompt.method.network import FAPrompt
from faprompt.pretrain.kinds import scenes_of

EXAMPLES = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a random model in the place of the shipped one."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    save_file(Clip(get_spec("tiny")).state_dict(), folder / "weights.safetensors")
    backbone = load_backbone("tiny", weights=folder / "weights.safetensors")
    config = MethodConfig()
    header = Header(
        method=config, backbone="tiny", backbone_checksum=backbone.checksum, input_size=64
    )
    learner = FAPrompt(backbone.clip, config).learner.state_dict()
    save_checkpoint(folder / "prompts.safetensors", learner, header)
    weights = str(folder / "weights.safetensors")
    return ["--model", str(folder / "prompts.safetensors"), "--weights", weights]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Other tests have the other cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module", autouse=True)
def few_examples() -> Iterator[None]:
    """Two images of each kind: the first good one and the first with a defect."""
    whole = demo_run.examples()

    def few() -> Dataset:
        chosen = {(s.class_name, s.label): s for s in reversed(whole.samples)}
        return replace(whole, samples=tuple(chosen[key] for key in sorted(chosen)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_run, "examples", few)
        yield


def run(out: Path, model: list[str], *args: str) -> Result:
    command = ["demo", "--out", str(out), "--images", "12", "--epochs", "1", *model, *args]
    return CliRunner().invoke(load_commands(), command)


@pytest.fixture(scope="module")
def done(model: list[str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return out, run(out, model)


def test_demo_leaves_every_file(done: tuple[Path, Result]) -> None:
    out, result = done
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in out.iterdir()) == [
        "auxiliary", "cache", "demo.json", "fresh", "index.html", "run", "scores.csv", "shipped",
    ]  # fmt: skip
    for name in ("fresh", "shipped"):
        maps = list((out / name / "maps").rglob("*.png"))
        assert len(maps) == EXAMPLES
        assert (out / name / "maps" / "biscuit" / "good" / "000.png") in maps
    assert (out / "run" / "best.safetensors").is_file()


def test_demo_tells_figures_and_places(done: tuple[Path, Result]) -> None:
    out, result = done
    for text in ("image AUROC", "pixel AUROC", "AUPRO", "fresh prompts", "shipped prompts"):
        assert text in result.stdout
    for name in ("index.html", "scores.csv", "fresh/maps", "shipped/maps", "best.safetensors"):
        assert str(out / name) in result.stdout or name in result.stdout
    for step in ("1/4", "2/4", "3/4", "4/4"):
        assert step in result.stderr


def test_scores_have_a_row_per_example(done: tuple[Path, Result]) -> None:
    with (done[0] / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(demo_run.COLUMNS)
    assert len(rows) == EXAMPLES
    assert [row["kind"] for row in rows] == sorted(row["kind"] for row in rows)
    for row in rows:
        assert Path(row["path"]).is_file()
        assert (row["label"] == "0") == (row["type"] == "good")
        assert 0 <= float(row["score_fresh"]) <= 1
        assert 0 <= float(row["score_shipped"]) <= 1


def test_page_shows_every_example(done: tuple[Path, Result]) -> None:
    text = (done[0] / "index.html").read_text()
    assert text.count("<article") == EXAMPLES
    assert text.count("<img") == 3 * EXAMPLES + EXAMPLES // 2  # good images have no outline
    assert "No biscuit, denim or dial" in text


def test_again_in_the_same_folder_learns_nothing_twice(
    done: tuple[Path, Result], model: list[str]
) -> None:
    out, _ = done
    before = {p: p.stat().st_mtime_ns for p in (out / "run").glob("epoch-*")}
    scores = (out / "scores.csv").read_bytes()
    (out / "index.html").unlink()
    result = run(out, model)
    assert result.exit_code == 0, result.output
    assert (out / "index.html").is_file()
    assert (out / "scores.csv").read_bytes() == scores
    assert {p: p.stat().st_mtime_ns for p in (out / "run").glob("epoch-*")} == before


def test_ctrl_c_is_clean(model: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_run, "render_auxiliary", interrupt)
    result = run(tmp_path / "out", model)
    assert result.exit_code == 130
    assert "the same command continues" in result.stderr
    assert "Traceback" not in result.output


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty and not a demo; choose another --out"):
        demo_run.claim(DemoFolder(tmp_path), {"images": 12})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_another_request_starts_anew_and_keeps_what_it_did_not_make(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    demo_run.claim(folder, {"images": 12})
    folder.run.mkdir()
    (folder.run / "run.json").touch()
    (tmp_path / "notes.txt").touch()
    demo_run.claim(folder, {"images": 12})
    assert folder.run.is_dir()
    demo_run.claim(folder, {"images": 24})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["demo.json", "notes.txt"]
    assert json.loads((tmp_path / "demo.json").read_text()) == {"images": 24}


def test_rendering_is_whole_or_not_there(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    left = tmp_path / ".auxiliary" / "stone" / "test" / "good"
    left.mkdir(parents=True)
    (left / "999.jpg").touch()  # killed while it was rendering
    threads = torch.get_num_threads()
    demo_run.render_auxiliary(folder, 12, seed=1)
    assert torch.get_num_threads() == threads
    assert len(list(folder.auxiliary.rglob("*.jpg"))) == 12
    assert not (tmp_path / ".auxiliary").exists()
    assert not list(folder.auxiliary.rglob("999.jpg"))


def test_no_training_used_the_kinds_of_the_examples() -> None:
    shown = set(demo_run.examples().classes)
    assert shown == {kind.name for kind in scenes_of("example", photos=True)}
    used = {k.name for split in ("train", "heldout") for k in scenes_of(split, photos=True)}
    assert not shown & used


def test_auxiliary_set_holds_training_kinds_only(done: tuple[Path, Result]) -> None:
    rendered = {p.name for p in (done[0] / "auxiliary").iterdir()}
    assert rendered <= {kind.name for kind in scenes_of("train", photos=False)}
    sizes = {Image.open(p).size for p in (done[0] / "auxiliary").rglob("*.jpg")}
    assert sizes == {(256, 256)}
    masks = [np.asarray(Image.open(p)) for p in (done[0] / "auxiliary").rglob("*_mask.png")]
    assert all(mask.any() for mask in masks)
