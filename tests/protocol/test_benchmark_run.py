"""The runner: one pass of the tower for all methods, and nothing lost or done twice."""

import json
from collections.abc import Callable
from pathlib import Path

import micro_protocol
import micro_training
import pytest
import torch
from counting import forward_calls
from micro_protocol import Bright, fake, make_plan
from micro_training import make_folder

from faprompt.clip.weights import Backbone
from faprompt.data.datasets import load_dataset
from faprompt.data.masks import read_mask
from faprompt.errors import OutputError, TrainingError
from faprompt.metrics.pixel import pixel_metrics
from faprompt.protocol.cells import CellStore
from faprompt.protocol.methods import METHODS
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.runner import Options, Outcome, Watcher, run_benchmark
from faprompt.protocol.training import School
from faprompt.training.feature_cache import ImageTower
from faprompt.training.run import Watcher as TrainingWatcher

backbone, bright, sets = micro_protocol.backbone, micro_protocol.bright, micro_protocol.sets
one_thread = micro_training.one_thread
SIZES = {"one": 8, "two": 12}
FAST = Options(workers=0, batch_size=4)


class Killed(BaseException):
    """The process ends here."""


def figures(outcome: Outcome) -> dict[str, object]:
    return {
        str(e.cell): [c["values"] for c in outcome.store.read(e.cell)["classes"]]
        for e in outcome.entries
        if e.cell
    }


def images_seen(shapes: list[torch.Size]) -> int:
    return sum(shape[0] for shape in shapes)


def test_every_image_goes_through_the_tower_once_for_all_methods(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    with forward_calls(backbone.clip.visual.conv1) as shapes:
        run_benchmark(make_plan(sets), tmp_path / "out", backbone, options=FAST)
    assert images_seen(shapes) == sum(SIZES.values())
    assert sum(bright["bright"].seen) == sum(bright["blurred"].seen) == sum(SIZES.values())


def test_a_finished_benchmark_reads_nothing_again(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    first = run_benchmark(make_plan(sets), tmp_path, backbone, options=FAST)
    with forward_calls(backbone.clip.visual.conv1) as shapes:
        second = run_benchmark(make_plan(sets), tmp_path, backbone, options=FAST)
    assert not shapes
    assert figures(first) == figures(second)


def test_another_method_costs_only_itself(
    backbone: Backbone,
    bright: dict[str, Bright],
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_benchmark(make_plan(sets), tmp_path, backbone, options=FAST)
    third = Bright(noise=1.0)
    monkeypatch.setitem(METHODS, "third", fake("third", third))
    plan = make_plan(sets, methods=("bright", "blurred", "third"))
    run_benchmark(plan, tmp_path, backbone, options=FAST)
    assert sum(third.seen) == sum(bright["bright"].seen) == sum(SIZES.values())


@pytest.mark.parametrize("step", ["write_part", "finish", "log_once"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_killed_anywhere_nothing_is_lost_and_at_most_a_class_repeated(
    backbone: Backbone,
    bright: dict[str, Bright],
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    when: str,
    number: int,
) -> None:
    plan = make_plan(sets)
    expected = figures(run_benchmark(plan, tmp_path / "whole", backbone, options=FAST))
    with monkeypatch.context() as patch, forward_calls(backbone.clip.visual.conv1) as before:
        patch.setattr(CellStore, step, _killing(getattr(CellStore, step), when, number))
        with pytest.raises(Killed):
            run_benchmark(plan, tmp_path / "out", backbone, options=FAST)
    with forward_calls(backbone.clip.visual.conv1) as after:
        outcome = run_benchmark(plan, tmp_path / "out", backbone, options=FAST)
    assert figures(outcome) == expected
    in_progress = max(SIZES["one"], SIZES["two"] // 2)
    seen = images_seen(before) + images_seen(after)
    assert sum(SIZES.values()) <= seen <= sum(SIZES.values()) + in_progress
    log = [json.loads(x) for x in (tmp_path / "out/log.jsonl").read_text().splitlines()]
    assert sorted(line["hash"] for line in log) == sorted(expected)


def _killing(step: Callable[..., None], when: str, number: int) -> Callable[..., None]:
    calls = []

    def stepped(*args: object) -> None:
        calls.append(args)
        due = len(calls) == number + 1
        if due and when == "before":
            raise Killed
        step(*args)
        if due:
            raise Killed

    return stepped


def test_figures_equal_those_of_the_maps_themselves(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    plan = make_plan(sets, targets=("one",), methods=("bright",))
    outcome = run_benchmark(plan, tmp_path, backbone, options=FAST)
    (facts,) = outcome.store.read(str(outcome.entries[0].cell))["classes"]
    tower = ImageTower(backbone, 64)
    pairs = []
    for sample in load_dataset(sets / "one").samples:
        mask = read_mask(sample, 64)
        assert mask is not None
        pairs.append((tower.read(sample.image_path).mean(dim=0).sigmoid().numpy(), mask))
    exact = pixel_metrics(lambda: pairs)
    assert facts["values"]["pixel_auroc"] == pytest.approx(exact.pixel_auroc, abs=1e-6)
    assert facts["values"]["pixel_aupro"] == pytest.approx(exact.pixel_aupro, abs=1e-6)
    assert facts["values"]["pixel_aupro_legacy200"] is not None


def test_learned_methods_have_a_cell_per_seed_and_learn_once(
    backbone: Backbone, sets: Path, tmp_path: Path
) -> None:
    plan = make_plan(sets, methods=("faprompt",), targets=("one",))
    titles: list[str] = []

    def follow(title: str) -> None:
        titles.append(title)

    first = run_benchmark(plan, tmp_path, backbone, options=FAST, watcher=Watcher(training=follow))
    assert [e.seed for e in first.entries] == [1, 2]
    assert len({e.cell for e in first.entries}) == 2
    assert [title.split(",")[1] for title in titles] == [" seed 1", " seed 2"]
    second = run_benchmark(plan, tmp_path, backbone, options=FAST, watcher=Watcher(training=follow))
    assert len(titles) == 2
    assert figures(first) == figures(second)


def test_learning_that_was_killed_goes_on_to_the_same_figures(
    backbone: Backbone, sets: Path, tmp_path: Path
) -> None:
    plan = make_plan(sets, methods=("faprompt",), targets=("one",), seeds=(1,))
    expected = figures(run_benchmark(plan, tmp_path / "whole", backbone, options=FAST))

    def die(_: object) -> None:
        raise Killed

    killer = Watcher(training=lambda _: TrainingWatcher(step=die))
    with pytest.raises(Killed):
        run_benchmark(plan, tmp_path / "out", backbone, options=FAST, watcher=killer)
    assert figures(run_benchmark(plan, tmp_path / "out", backbone, options=FAST)) == expected


def test_missing_sets_are_listed_and_the_others_done(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    plan = make_plan(sets, targets=("one", "gone"))
    outcome = run_benchmark(plan, tmp_path, backbone, options=FAST)
    reasons = {e.target: e.reason for e in outcome.entries}
    assert reasons["one"] is None
    assert "target missing" in str(reasons["gone"])
    assert str(sets / "gone") in str(reasons["gone"])
    assert not outcome.failures


def test_without_auxiliary_data_the_others_are_still_compared(
    backbone: Backbone, bright: dict[str, Bright], tmp_path: Path
) -> None:
    make_folder(tmp_path / "one", each=3)
    plan = make_plan(tmp_path, methods=("bright", "faprompt"), targets=("one",))
    outcome = run_benchmark(plan, tmp_path / "out", backbone, options=FAST)
    assert {e.method: bool(e.cell) for e in outcome.entries} == {"bright": True, "faprompt": False}
    assert "auxiliary set missing: source" in str(outcome.failures[0].reason)


def test_a_method_that_cannot_learn_fails_alone(
    backbone: Backbone,
    bright: dict[str, Bright],
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> None:
        raise TrainingError("the loss is not finite")

    monkeypatch.setattr(School, "learned", fail)
    said: list[str] = []
    plan = make_plan(sets, methods=("faprompt", "bright"), targets=("one",), seeds=(1,))
    watcher = Watcher(say=said.append)
    outcome = run_benchmark(plan, tmp_path, backbone, options=FAST, watcher=watcher)
    assert {e.method: bool(e.cell) for e in outcome.entries} == {"faprompt": False, "bright": True}
    (failure,) = outcome.failures
    assert failure.reason == "learning failed: the loss is not finite"
    assert "failed: FAPrompt, seed 1, on source: the loss is not finite" in said


def test_a_method_whose_maps_are_not_numbers_fails_alone(
    backbone: Backbone,
    bright: dict[str, Bright],
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(METHODS, "broken", fake("broken", Bright(noise=float("nan"))))
    plan = make_plan(sets, methods=("broken", "bright"))
    outcome = run_benchmark(plan, tmp_path, backbone, options=FAST)
    assert {e.method for e in outcome.failures} == {"broken"}
    assert all("not finite" in str(e.reason) for e in outcome.failures)
    assert len(figures(outcome)) == 2


def test_changed_data_are_another_cell(
    backbone: Backbone, bright: dict[str, Bright], tmp_path: Path
) -> None:
    make_folder(tmp_path / "one", each=3)
    plan = make_plan(tmp_path, targets=("one",))
    before = run_benchmark(plan, tmp_path / "out", backbone, options=FAST)
    (tmp_path / "one/good/0.png").write_bytes((tmp_path / "one/good/1.png").read_bytes())
    after = run_benchmark(plan, tmp_path / "out", backbone, options=FAST)
    assert not {e.cell for e in before.entries} & {e.cell for e in after.entries}


def test_an_unreadable_image_is_named_and_left_out(
    backbone: Backbone, bright: dict[str, Bright], tmp_path: Path
) -> None:
    make_folder(tmp_path / "one", each=3)
    (tmp_path / "one/good/0.png").write_bytes(b"no image")
    outcome = run_benchmark(
        make_plan(tmp_path, targets=("one",)), tmp_path / "out", backbone, options=FAST
    )
    (facts,) = outcome.store.read(str(outcome.entries[0].cell))["classes"]
    assert list(facts["unreadable"]) == ["good/0.png"]
    assert facts["images"] == 5


def test_folders_of_others_are_refused(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(OutputError, match="not empty and not a benchmark"):
        run_benchmark(make_plan(sets), tmp_path, backbone)


def test_settings_of_a_method_are_part_of_the_recipe(
    backbone: Backbone,
    bright: dict[str, Bright],
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plan = make_plan(sets, methods=("bright",), targets=("one",))
    before = run_benchmark(plan, tmp_path, backbone, options=FAST).entries[0].cell
    changed: Method = fake("bright", Bright(noise=0.5))
    monkeypatch.setitem(METHODS, "bright", changed)
    assert run_benchmark(plan, tmp_path, backbone, options=FAST).entries[0].cell != before
