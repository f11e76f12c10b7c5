"""Whole runs: reproducible, resumable, chosen on source data, every file loadable."""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import micro_training
import pytest
import torch
from counting import forward_calls
from micro_training import make_backbone, make_classes, make_folder, micro_settings
from torch import Tensor

from faprompt.clip.weights import Backbone
from faprompt.config import TrainSettings
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset
from faprompt.errors import ConfigError, DataError, FAPromptError, OutputError, TrainingError
from faprompt.method.checkpoint import build_network, read_checkpoint
from faprompt.method.network import FAPrompt
from faprompt.training import trainer as trainer_module
from faprompt.training.run import Places, Watcher, train
from faprompt.training.run_files import RunFiles
from faprompt.training.trainer import Progress, Result, Trainer

backbone = micro_training.backbone
dataset = micro_training.dataset
folder = micro_training.folder
one_thread = micro_training.one_thread

Patch = pytest.MonkeyPatch
Learn = Callable[..., Result]


class Killed(BaseException):
    """What nothing catches."""


@pytest.fixture
def learn(tmp_path: Path, dataset: Dataset, backbone: Backbone) -> Learn:
    """Train into ``tmp_path / out`` with one cache for all."""

    def run(
        out: str = "run",
        settings: TrainSettings | None = None,
        *,
        data: list[Dataset] | None = None,
        on: Backbone | None = None,
        cached: bool = True,
        **more: Any,
    ) -> Result:
        cache = tmp_path / "cache" if cached else None
        places = Places(out=tmp_path / out, cache=cache)
        settings = settings or micro_settings()
        return train(data or [dataset], on or backbone, settings, places=places, **more)

    return run


def contents(result: Result | RunFiles) -> dict[str, bytes]:
    """Every file of a run, by name."""
    folder = (result.files if isinstance(result, Result) else result).folder
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def learned(result: Result) -> dict[str, Tensor]:
    return read_checkpoint(result.files.best)[1]


def logged(files: RunFiles) -> list[dict[str, Any]]:
    return [json.loads(line) for line in files.log.read_text().splitlines()]


def test_same_seed_same_files_whatever_the_workers(learn: Learn) -> None:
    first, second = learn("a", workers=0), learn("b", workers=3)
    assert contents(first) == contents(second)
    assert contents(first).keys() == {
        "run.json", "log.jsonl", "curves.png", "resume.safetensors", "best.safetensors",
        "epoch-01.safetensors", "epoch-02.safetensors", "epoch-03.safetensors",
    }  # fmt: skip


def test_another_seed_another_result(learn: Learn) -> None:
    first, second = learn("a"), learn("b", micro_settings(seed=112))
    assert not torch.equal(
        learned(first)["prompts.normal_tokens"], learned(second)["prompts.normal_tokens"]
    )


def _at_call(owner: Any, name: str, number: int, *, after: bool = False) -> Callable[[Patch], None]:
    """Die at the given call of a function, before or after it has done its work."""

    def plant(patch: Patch) -> None:
        original, calls = getattr(owner, name), iter(range(1, 99))

        def dying(*args: Any, **kwargs: Any) -> Any:
            dies = next(calls) == number
            if dies and not after:
                raise Killed
            result = original(*args, **kwargs)
            if dies:
                raise Killed
            return result

        patch.setattr(owner, name, dying)

    return plant


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_at_call(Trainer, "step", 1), id="first step"),
        pytest.param(_at_call(Trainer, "step", 3), id="within epoch 2"),
        pytest.param(_at_call(trainer_module, "judge", 2), id="before judging"),
        pytest.param(_at_call(trainer_module, "save_checkpoint", 2), id="before checkpoint"),
        pytest.param(
            _at_call(trainer_module, "save_checkpoint", 2, after=True),
            id="between checkpoint and resume state",
        ),
        pytest.param(
            _at_call(trainer_module, "save_resume", 2, after=True), id="after resume state"
        ),
        pytest.param(_at_call(trainer_module, "choose", 1), id="before the choice"),
    ],
)
def test_a_stopped_run_ends_as_one_that_was_not(
    plant: Callable[[Patch], None], learn: Learn, monkeypatch: Patch
) -> None:
    with monkeypatch.context() as patch:
        plant(patch)
        with pytest.raises(Killed):
            learn("stopped")
    assert contents(learn("stopped")) == contents(learn("whole"))


def test_a_finished_run_started_again_changes_nothing(learn: Learn) -> None:
    before = contents(learn())
    steps: list[Progress] = []
    again = learn(watcher=Watcher(step=steps.append))
    assert (contents(again), steps) == (before, [])
    assert again.chosen == int(
        max(r["heldout"]["criterion"] for r in again.history) and again.chosen
    )


def test_other_settings_are_refused_before_anything_slow(
    learn: Learn, backbone: Backbone, tmp_path: Path
) -> None:
    result = learn()
    before = contents(result)
    shutil.rmtree(tmp_path / "cache")
    with (
        forward_calls(backbone.clip.visual.conv1) as shapes,
        pytest.raises(ConfigError, match=r"run: holds a run .*training\.epochs was 3, now 4"),
    ):
        learn(settings=micro_settings(epochs=4))
    assert shapes == []
    assert contents(result) == before


def test_other_data_and_another_backbone_are_refused(
    learn: Learn, folder: Path, tmp_path: Path
) -> None:
    learn()
    with pytest.raises(ConfigError, match="backbone_checksum was"):
        learn(on=make_backbone(seed=5))
    (folder / "masks" / "5.png").write_bytes((folder / "masks" / "6.png").read_bytes())
    with pytest.raises(ConfigError, match="data was"):
        learn(data=[load_dataset(folder)])


def test_a_folder_of_other_things_is_refused(learn: Learn, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.tex").touch()
    with pytest.raises(OutputError, match="not empty and not a training run"):
        learn()


def test_a_resume_state_of_other_shapes_is_named(learn: Learn) -> None:
    files = learn().files
    other = learn("other", micro_settings(num_deep_prompts=1)).files
    files.resume.write_bytes(other.resume.read_bytes())
    with pytest.raises(OutputError, match=r"resume\.safetensors: does not fit this run"):
        learn()


def test_the_image_tower_runs_once_per_image_for_all_runs(learn: Learn, backbone: Backbone) -> None:
    with forward_calls(backbone.clip.visual.conv1) as shapes:
        learn("a")
        assert shapes == [(8, 3, 64, 64)] * 2  # ten images
        learn("b", micro_settings(seed=3))
        learn("c", micro_settings(select="fixed:2"))
        assert len(shapes) == 2


def test_without_cache_the_prompts_are_the_same(learn: Learn, tmp_path: Path) -> None:
    cached, computed = learn("a"), learn("b", cached=False)
    for name, tensor in learned(cached).items():
        torch.testing.assert_close(learned(computed)[name], tensor, rtol=0, atol=1e-5)
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()].count("cache") == 1


def test_the_size_of_the_cache_is_told_before_it_is_filled(
    learn: Learn, backbone: Backbone
) -> None:
    told: list[tuple[int, int, int]] = []
    with forward_calls(backbone.clip.visual.conv1) as shapes:

        def announce(total: int, missing: int, size: int) -> None:
            told.append((total, missing, size))
            assert shapes == []

        learn(watcher=Watcher(cache=announce))
    assert told == [(10, 10, 10 * 17 * 16 * 4)]  # class token and 16 patches, 16 wide, fp32


@pytest.mark.parametrize("cached", [True, False])
def test_unusable_files_are_left_out_and_reported(cached: bool, learn: Learn, folder: Path) -> None:
    (folder / "good" / "broken.png").write_bytes(b"no image")
    (folder / "masks" / "7.png").write_bytes(b"no mask")
    reported: dict[str, FAPromptError] = {}
    watcher = Watcher(unreadable=lambda path, error: reported.update({path.name: error}))
    result = learn(data=[load_dataset(folder)], watcher=watcher, cached=cached)
    assert reported.keys() == {"broken.png", "7.png"}
    assert "masks/7.png" in str(reported["7.png"])
    facts = read_checkpoint(result.files.best)[0].data[0]
    assert (facts["normal"], facts["anomalous"]) == (5, 4)


def test_nothing_readable_is_refused_by_name(learn: Learn, folder: Path) -> None:
    for path in (folder / "good").iterdir():
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="parts: no readable normal images"):
        learn(data=[load_dataset(folder)])


def test_the_input_size_must_fit_the_patches(learn: Learn) -> None:
    with pytest.raises(ConfigError, match="input_size 65 is not a multiple of micro's patch size"):
        learn(settings=micro_settings(input_size=65))


def test_the_chosen_epoch_is_the_best_held_out_one(learn: Learn) -> None:
    result = learn(settings=micro_settings(epochs=4))
    criteria = [record["heldout"]["criterion"] for record in result.history]
    assert result.chosen == 1 + criteria.index(max(criteria))
    header, _ = read_checkpoint(result.files.best)
    assert result.files.best.read_bytes() == result.files.epoch(result.chosen).read_bytes()
    assert header.epoch == result.chosen
    assert header.metrics["rule"].startswith("largest mean of held-out image AUROC and pixel")
    assert header.metrics["on"] == "20% of the images of every type"
    assert header.metrics["criterion"] == max(criteria)


def test_fixed_learns_from_all_data_and_stops_there(learn: Learn) -> None:
    images: list[int] = []
    result = learn(
        settings=micro_settings(select="fixed:2"),
        watcher=Watcher(step=lambda p: images.append(p.images)),
    )
    assert (sum(images), result.chosen, len(result.history)) == (20, 2, 2)
    assert not result.files.epoch(3).exists()
    assert read_checkpoint(result.files.best)[0].metrics["on"] == "the training data itself"


def test_held_out_images_are_never_learned_from(learn: Learn) -> None:
    images: list[int] = []
    result = learn(watcher=Watcher(step=lambda p: images.append(p.images)))
    assert sum(images) == 3 * 8
    assert result.history[0]["heldout"]["images"] == 2


def test_every_epoch_loads_and_its_header_is_complete(learn: Learn, backbone: Backbone) -> None:
    result = learn()
    for epoch in (1, 2, 3):
        header, state = read_checkpoint(result.files.epoch(epoch))
        build_network(header, state, backbone, path=result.files.epoch(epoch))
        assert header.epoch == epoch
    values = json.loads(header.to_json())
    assert (values["format"], values["format_version"]) == ("faprompt-prompts", 1)
    assert (values["preset"], values["backbone"]) == ("paper", "micro")
    assert values["backbone_checksum"] == backbone.checksum
    assert values["training"]["seed"] == 111
    assert values["method"] == micro_settings().method.to_dict()
    assert values["loss"] == micro_settings().loss.to_dict()
    (facts,) = values["data"]
    assert re.fullmatch(r"[0-9a-f]{64}", facts.pop("sha256"))
    assert facts == {
        "name": "parts", "layout": "folder", "classes": 1,
        "normal": 5, "anomalous": 5, "masks": 5,
    }  # fmt: skip
    low, high = values["colour_limits"]
    assert 0 <= low < high <= 1
    assert values["versions"].keys() == {"python", "faprompt", "torch", "numpy", "pillow"}
    assert {"image_auroc", "pixel_auroc", "pixel_aupro", "loss"} <= values["metrics"].keys()


def test_several_sets_are_mixed_and_whole_classes_held_out(learn: Learn, tmp_path: Path) -> None:
    nuts = load_dataset(make_classes(tmp_path / "nuts", ("hazel", "wal"), each=2))
    tiles = load_dataset(make_folder(tmp_path / "tiles", each=3, seed=9))
    result = learn(data=[nuts, tiles])
    header, _ = read_checkpoint(result.files.best)
    assert [(d["name"], d["classes"], d["normal"]) for d in header.data] == [
        ("nuts", 2, 4), ("tiles", 1, 3),
    ]  # fmt: skip
    assert re.fullmatch(r"classes (nuts/hazel|nuts/wal|tiles/tiles)", header.metrics["on"])


def test_the_log_has_steps_and_epochs(learn: Learn) -> None:
    records = logged(learn().files)
    steps = [r for r in records if "step" in r]
    epochs = [r for r in records if "heldout" in r]
    assert [r["epoch"] for r in epochs] == [1, 2, 3]
    assert [(r["epoch"], r["step"]) for r in steps] == [(1, 2), (2, 2), (3, 2)]
    parts = {"local", "image_ce", "image_focal", "orthogonality", "prior", "total"}
    assert all(parts < r.keys() for r in steps)


def test_the_loss_falls_and_defects_are_found(learn: Learn, tmp_path: Path) -> None:
    data = [load_dataset(make_folder(tmp_path / "many", each=16, seed=4))]
    result = learn(settings=micro_settings(epochs=8, learning_rate=0.01), data=data)
    losses = [record["loss"] for record in result.history]
    assert losses[-1] < 0.8 * losses[0]
    best = result.history[result.chosen - 1]["heldout"]
    assert best["pixel_auroc"] > 0.9


def test_a_loss_that_is_not_finite_keeps_the_last_epoch(
    learn: Learn, monkeypatch: Patch, backbone: Backbone
) -> None:
    original = FAPrompt.losses
    calls = iter(range(1, 99))

    def losses(*args: Any) -> Any:
        found = original(*args)
        return replace(found, total=found.total * float("nan")) if next(calls) == 4 else found

    monkeypatch.setattr(FAPrompt, "losses", losses)
    with pytest.raises(TrainingError, match=r"the loss is not finite in epoch 2, step 2; .*--prec"):
        learn()
    files = RunFiles(learn().files.folder)  # the same command goes on after epoch 1
    assert [r["epoch"] for r in logged(files) if "heldout" in r] == [1, 2, 3]


def test_tensors_that_are_not_finite_are_never_saved(learn: Learn, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="scores of held-out images are not finite; the last"):
        learn(settings=micro_settings(learning_rate=1e38, batch_size=8))
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["log.jsonl", "run.json"]


def test_scores_that_are_not_finite_are_one_error(learn: Learn) -> None:
    with pytest.raises(TrainingError, match="run: a score is not finite in epoch 1, step 2"):
        learn(settings=micro_settings(learning_rate=1e38))
