"""A run of a microscopic tower: repeatable, resumable, learns, exports what the package loads."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch.testing import assert_close

from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, TowerSize, get_spec
from faprompt.clip.tokenizer import load_tokenizer
from faprompt.errors import ConfigError, DataError, FAPromptError, OutputError, TrainingError
from faprompt.pretrain.batches import BatchMaker, normalised
from faprompt.pretrain.objective import loss_terms
from faprompt.pretrain.recipe import Recipe, Stage
from faprompt.pretrain.renderer import Renderer
from faprompt.pretrain.running import Pace, pretrain
from faprompt.pretrain.shipping import export_sources, export_weights
from faprompt.pretrain.trainer import Pretraining

MICRO_SPEC = replace(
    get_spec("tiny"),
    image=TowerSize(layers=3, width=32, heads=2),
    text=TowerSize(layers=2, width=16, heads=2),
    embed_dim=16,
    native_size=64,
    default_size=64,
    dual_blocks=2,
)
MICRO = Recipe(
    scenes=4, parts=2, warmup_steps=2, stages=(Stage(size=32, steps=2), Stage(size=64, steps=0))
)


def micro_run(recipe: Recipe = MICRO, spec: ClipSpec = MICRO_SPEC) -> Pretraining:
    return Pretraining(recipe, spec=spec, tokenizer=load_tokenizer(get_spec("tiny")))


def pace(steps: int) -> Pace:
    return Pace(steps=steps, score_steps=0, log_steps=1)


def test_interrupted_and_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    whole, first, second = micro_run(), micro_run(), micro_run()
    pretrain(whole, tmp_path / "whole", pace(5))
    pretrain(first, tmp_path / "parts", pace(3))
    pretrain(second, tmp_path / "parts", pace(5), resume=True)
    for name, value in whole.average.items():
        assert_close(second.average[name], value, rtol=0, atol=0)
    lines = [json.loads(line) for line in (tmp_path / "parts/log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "dense" in line] == [1, 2, 3, 4, 5]
    assert not list((tmp_path / "parts").glob("*.tmp"))


def test_a_new_run_may_start_from_exported_weights(tmp_path: Path) -> None:
    pretrain(micro_run(), tmp_path, pace(2))
    file = export_weights(tmp_path, tmp_path / "out", MICRO)
    tokenizer = load_tokenizer(get_spec("tiny"))
    started = Pretraining(MICRO, spec=MICRO_SPEC, tokenizer=tokenizer, start=[file])
    for name, value in load_file(file).items():
        assert_close(started.clip.state_dict()[name], value.float(), rtol=0, atol=0)
        assert_close(started.average[name], value.float(), rtol=0, atol=0)


def test_a_run_from_several_weights_begins_with_their_mean(tmp_path: Path) -> None:
    tokenizer, files = load_tokenizer(get_spec("tiny")), []
    for seed in (1, 2):
        recipe = replace(MICRO, seed=seed)
        run = Pretraining(recipe, spec=MICRO_SPEC, tokenizer=tokenizer)
        run.save(tmp_path / str(seed))
        files.append(export_weights(tmp_path / str(seed), tmp_path / f"out{seed}", recipe))
    started = Pretraining(MICRO, spec=MICRO_SPEC, tokenizer=tokenizer, start=files)
    one, two = (load_file(file) for file in files)
    for name, value in started.clip.state_dict().items():
        assert_close(value, (one[name].float() + two[name].float()) / 2)


def test_no_time_left_leaves_the_run_as_it_is(tmp_path: Path) -> None:
    pretrain(micro_run(), tmp_path, pace(1))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    again = micro_run()
    pretrain(again, tmp_path, Pace(minutes=0), resume=True)
    assert again.steps == 1
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_step_learns_in_every_tower_and_moves_the_average() -> None:
    run = micro_run()
    before = {name: value.clone() for name, value in run.clip.state_dict().items()}
    average = {name: value.clone() for name, value in run.average.items()}
    run.step()
    changed = {n for n, v in run.clip.state_dict().items() if not torch.equal(v, before[n])}
    assert {"visual.proj", "text.text_projection", "visual.ln_post.weight"} <= changed
    assert any(not torch.equal(v, average[n]) for n, v in run.average.items())


def test_the_loss_falls_on_a_scene_seen_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = micro_run()
    batch = [run.maker.make(0, part) for part in range(2)]
    monkeypatch.setattr(BatchMaker, "make", lambda _self, _step, part: batch[part])
    first = run.step()["dense"]
    for _ in range(30):
        last = run.step()["dense"]
    assert last < 0.8 * first


def test_the_same_step_gives_the_same_batch_and_damaged_come_first() -> None:
    tiny = get_spec("tiny")
    maker = BatchMaker(Renderer("train"), MICRO, tiny, load_tokenizer(tiny))
    batch, again = maker.make(7, 1), maker.make(7, 1)
    assert_close(batch.images, again.images, rtol=0, atol=0)
    assert torch.equal(batch.tokens, again.tokens)
    assert batch.images.shape == (4, 3, 64, 64)
    assert batch.cover.shape == (4, 16)
    assert batch.label.tolist()[2:] == [0, 0]
    assert_close(batch.cover.amax(dim=1) > 0, batch.label > 0)


def test_a_part_whose_defects_are_all_invisible_has_a_finite_loss() -> None:
    run = micro_run()
    batch = run.maker.make(step=0, part=0)
    calm = replace(batch, label=torch.zeros_like(batch.label), cover=torch.zeros_like(batch.cover))
    assert all(bool(torch.isfinite(value)) for value in loss_terms(run.clip, calm).values())


def test_a_run_is_not_overwritten_and_settings_are_compared(tmp_path: Path) -> None:
    pretrain(micro_run(), tmp_path, pace(1))
    with pytest.raises(ConfigError, match="holds a run already; add --resume"):
        pretrain(micro_run(), tmp_path, pace(1))
    other = micro_run(replace(MICRO, learning_rate=0.5))
    with pytest.raises(ConfigError, match=r"learning_rate 0\.001, now 0\.5"):
        pretrain(other, tmp_path, pace(1), resume=True)


def test_three_steps_in_a_row_that_are_not_finite_stop_with_the_remedy() -> None:
    run = micro_run()
    with torch.no_grad():
        run.clip.visual.proj.fill_(torch.nan)
    assert run.step()["left_out"] == run.step()["left_out"] == 1
    with pytest.raises(
        TrainingError, match=r"step 2: the loss or a gradient is not finite.*Lower learning_rate"
    ):
        run.step()


def test_a_gradient_that_is_not_finite_leaves_the_weights_alone() -> None:
    run = micro_run()
    before = [value.clone() for value in run.clip.parameters()]
    _, gradients = run._part(0)
    assert not run._learn([gradients[0] * torch.inf, *gradients[1:]])
    assert all(map(torch.equal, run.clip.parameters(), before))
    assert run._learn(gradients)
    assert not all(map(torch.equal, run.clip.parameters(), before))


def test_exported_weights_are_the_average_in_half_precision(tmp_path: Path) -> None:
    run = micro_run()
    pretrain(run, tmp_path / "run", pace(1))
    path = export_weights(tmp_path / "run", tmp_path / "out", MICRO)
    state = load_file(path)
    Clip(MICRO_SPEC).load_state_dict(state)
    assert_close(state["visual.proj"], run.average["visual.proj"].half())
    with safe_open(path, "pt") as file:
        assert file.metadata()["recipe_digest"] == MICRO.digest
        assert file.metadata()["steps"] == "1"


def test_exporting_nothing_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"state\.pt: no such file; train first"):
        export_weights(tmp_path, tmp_path, MICRO)


def test_sources_list_what_was_used_and_nothing_without_a_licence(tmp_path: Path) -> None:
    listing = tmp_path / "all.csv"
    listing.write_text(
        "file,repository,path,licence,attribution,note\nobject/a.jpg,r,p,CC0,me,x\n"
        "object/b.jpg,r,q,CC BY 4.0,you,y\n"
    )
    export_sources(listing, tmp_path, ["object/b.jpg"])
    assert (tmp_path / "SOURCES.csv").read_text() == (
        "file,repository,path,licence,attribution\nobject/b.jpg,r,q,CC BY 4.0,you\n"
    )
    with pytest.raises(DataError, match=r"no source and licence for \['object/c.jpg'\]"):
        export_sources(listing, tmp_path, ["object/c.jpg"])


def _emptied(path: Path) -> None:
    path.write_bytes(b"")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _of_something_else(path: Path) -> None:
    torch.save({"state": 1}, path)


def _of_other_shapes(path: Path) -> None:
    state = torch.load(path, weights_only=True)
    torch.save({**state, "clip": {"visual.proj": torch.zeros(1)}}, path)


@pytest.mark.parametrize("damage", [_emptied, _cut, _of_something_else, _of_other_shapes])
def test_a_damaged_state_is_one_error(damage: Callable[[Path], None], tmp_path: Path) -> None:
    pretrain(micro_run(), tmp_path, pace(1))
    damage(tmp_path / "state.pt")
    with pytest.raises(FAPromptError, match=r"state\.pt: damaged"):
        pretrain(micro_run(), tmp_path, pace(2), resume=True)


def test_a_place_that_is_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(OutputError, match="run: cannot be made"):
        pretrain(micro_run(), tmp_path / "run", pace(1))


def test_a_block_of_steps_shares_its_drawing_and_shuffles_it() -> None:
    run = micro_run(replace(MICRO, scenes=4, scenes_per_kind=4, block=2))
    batches = [run.maker.make(step, part) for step in (0, 1) for part in (0, 1)]
    drawn = run.maker.renderer.render(
        MICRO.seed * 1_000_000_007, 8, MICRO.stages[0].size, per_kind=4
    )
    seen = torch.cat([batch.images[:2] for batch in batches])  # the damaged ones come first
    wanted = normalised(drawn.damaged, run.spec)
    pairs = (seen[:, None] == wanted[None]).flatten(2).all(dim=2)  # (8, 8)
    assert torch.equal(pairs.sum(dim=0), torch.ones(8, dtype=torch.int64))
    assert torch.equal(pairs.sum(dim=1), torch.ones(8, dtype=torch.int64))
    assert not torch.equal(pairs, torch.eye(8, dtype=torch.bool))


def test_a_run_of_blocks_resumed_within_one_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    recipe = replace(MICRO, block=3)
    whole, first, second = (micro_run(recipe) for _ in range(3))
    pretrain(whole, tmp_path / "whole", pace(4))
    pretrain(first, tmp_path / "parts", pace(2))
    pretrain(second, tmp_path / "parts", pace(4), resume=True)
    for name, value in whole.average.items():
        assert torch.equal(second.average[name], value), name
