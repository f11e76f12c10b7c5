"""Each input in the output once, whatever happens meanwhile."""

import json
import multiprocessing
import os
import random
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from completeness import assert_complete, rows_of
from many_images import BAD, draw_images, grey, plan_of, recipe_of, whole_run
from patience import until
from PIL import Image

from faprompt.detection.region_files import RegionSettings
from faprompt.errors import ConfigError, DataError, OutputError
from faprompt.scale import plan as plans
from faprompt.scale.engines import LocalEngine
from faprompt.scale.plan import read_plan
from faprompt.scale.run import do_pending, finish, forget_errors
from faprompt.scale.store import Store


def test_rows_reasons_and_summary(tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 22)
    summary = whole_run([str(tmp_path / "in")], tmp_path / "out")
    assert_complete(tmp_path / "out", paths)
    assert (summary.inputs, summary.errors) == (22, 2)
    best = max((grey(n), n) for n in range(22) if n not in BAD)[1]
    assert summary.top[0][0] == str(paths[best])
    assert [score for _, score in summary.top] == sorted(
        (row["image_score"] for row in rows_of(tmp_path / "out") if not row["error"]), reverse=True
    )
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (written["inputs"], written["errors"], written["shards"]) == (22, 2, 6)
    assert len(list((tmp_path / "out" / "shards").iterdir())) == 6


@pytest.mark.parametrize("shard_size", [1, 4, 7, 22, 100])
def test_a_plan_of_several_files_gives_back_its_inputs(
    shard_size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plans, "PART_INPUTS", 8)
    names = [f"/belt/{number}.png" for number in range(22)]
    store = Store(tmp_path)
    made = plans.write_plan(store, ({"path": name} for name in names), shard_size=shard_size)
    assert plans.read_plan(store) == made
    shards = [plans.inputs_of(store, made, shard) for shard in range(made.shards)]
    assert [len(rows) for rows in shards] == [made.size(shard) for shard in range(made.shards)]
    assert [row["path"] for rows in shards for row in rows] == names
    assert len(list((tmp_path / "plan").iterdir())) == -(-made.shards // max(1, 8 // shard_size))


def test_names_that_are_no_utf8_cost_nothing_but_themselves(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 3, bad=())
    odd = os.fsencode(tmp_path / "in") + b"/odd\xff\n.png"
    Path(os.fsdecode(odd)).write_bytes((tmp_path / "in" / "0000.png").read_bytes())
    assert whole_run([str(tmp_path / "in")], tmp_path / "out").errors == 1
    rows = rows_of(tmp_path / "out")
    assert [row["error"] is None for row in rows] == [True, True, True, False]
    assert "not found" in rows[3]["error"]


def test_heat_maps_lie_beside_their_rows(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 6)
    whole_run([str(tmp_path / "in")], tmp_path / "out", map_format="png")
    maps = [row["map"] for row in rows_of(tmp_path / "out")]
    assert [name is None for name in maps] == [n in BAD for n in range(6)]
    assert all((tmp_path / "out" / name).is_file() for name in maps if name)


def test_a_finished_run_does_nothing_again(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 9)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "shards").iterdir()}
    draw_images(tmp_path / "in", 12)  # came later: not in the plan
    counted: list[int] = []
    plan = plan_of([str(tmp_path / "in")], tmp_path / "out")
    store = Store(tmp_path / "out")
    do_pending(store, plan, recipe_of(store.root, plan), LocalEngine(), progress=counted.append)
    assert counted == [9]
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "out" / "shards").iterdir()} == before


def _run_and_tell(inputs: str, out: Path) -> None:
    whole_run([inputs], out, seconds=0.005, workers=1)


def test_killed_again_and_again_it_ends_with_every_input_once(tmp_path: Path) -> None:
    """SIGKILL at random moments: while it plans, scores, writes, renames and finishes."""
    paths = draw_images(tmp_path / "in", 120)
    chance, context = random.Random(7), multiprocessing.get_context("fork")
    kills, counts = 0, []

    def shards() -> int:
        return len(Store(tmp_path / "out").names("shards"))

    for _ in range(60):
        process = context.Process(
            target=_run_and_tell, args=(str(tmp_path / "in"), tmp_path / "out")
        )
        process.start()
        goal = shards() + chance.randint(0, 3)
        until(lambda: shards() >= goal or process.exitcode is not None, "more shards")  # noqa: B023
        process.join(chance.uniform(0.0, 0.03))
        if process.exitcode == 0:
            break
        assert process.exitcode is None
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        counts.append(shards())
    else:
        whole_run([str(tmp_path / "in")], tmp_path / "out")
    assert kills >= 5
    assert len(set(counts)) >= 3  # it was killed at different stages
    assert_complete(tmp_path / "out", paths)
    assert not list((tmp_path / "out" / "shards").glob(".*"))


def _die_at(operation: int, inputs: str, out: Path, changes: dict[str, Any]) -> None:
    """Run, but be killed at so many writes and renames: in the middle, before or after it."""
    count = 0
    write, rename = Path.write_bytes, Path.replace

    def die_here() -> bool:
        nonlocal count
        count += 1
        return count == operation

    def half_written(path: Path, content: bytes) -> int:
        if die_here():
            write(path, content[: len(content) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return write(path, content)

    def renamed(path: Path, target: Path) -> Path:
        if die_here():
            os.kill(os.getpid(), signal.SIGKILL)
        found = rename(path, target)
        if die_here():
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    Path.write_bytes, Path.replace = half_written, renamed  # type: ignore[assignment,method-assign]
    whole_run([inputs], out, **changes)


@pytest.mark.parametrize("pictures", [False, True])
def test_killed_in_the_middle_of_every_kind_of_write(pictures: bool, tmp_path: Path) -> None:
    """With pictures a shard of four images has 24 writes and renames more."""
    paths = draw_images(tmp_path / "in", 30)
    chance, context = random.Random(11), multiprocessing.get_context("fork")
    changes = {"map_format": "png", "regions": RegionSettings(pixel_threshold=0.4)}
    codes = []
    for _ in range(60):
        args = (
            chance.randint(1, 30 if pictures else 9), str(tmp_path / "in"), tmp_path / "out",
            changes if pictures else {},
        )  # fmt: skip
        process = context.Process(target=_die_at, args=args)
        process.start()
        process.join()
        codes.append(process.exitcode)
        if codes[-1] == 0:
            break
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert codes[-1] == 0
    assert len(codes) > 6
    assert_complete(tmp_path / "out", paths)
    assert not [p for p in (tmp_path / "out").rglob(".*") if p.is_file()]
    if pictures:
        assert_whole_pictures(tmp_path / "out", paths)


def assert_whole_pictures(out: Path, paths: list[Path]) -> None:
    """Every image that could be read has its pictures, and is in the COCO file once."""
    rows = [row for row in rows_of(out) if row["error"] is None]
    for row in rows:
        assert Image.open(out / row["map"]).size == (6, 4)
        found = np.asarray(Image.open(out / row["mask"]))
        assert np.unique(found).tolist() == [255 * len(row["regions"])]
        assert len(row["regions"]) == (row["image_score"] >= 0.4)
    coco = json.loads((out / "regions.coco.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == [row["path"] for row in rows]
    assert len(rows) == len(paths) - len(BAD)
    assert len(coco["annotations"]) == sum(len(row["regions"]) for row in rows)


def test_two_runs_at_once_do_no_harm(tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 30)
    plan_of([str(tmp_path / "in")], tmp_path / "out")
    context = multiprocessing.get_context("fork")
    both = [
        context.Process(target=_run_and_tell, args=(str(tmp_path / "in"), tmp_path / "out"))
        for _ in range(2)
    ]
    for process in both:
        process.start()
    for process in both:
        process.join()
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    assert_complete(tmp_path / "out", paths)


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 5)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    with pytest.raises(ConfigError, match="shard_size was 4, now 3"):
        plan_of([str(tmp_path / "in")], tmp_path / "out", shard_size=3)
    with pytest.raises(ConfigError, match=r"inputs was .*now"):
        plan_of([str(tmp_path)], tmp_path / "out")


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "a.txt").touch()
    with pytest.raises(OutputError, match="not empty and not a run"):
        plan_of([str(tmp_path)], tmp_path / "letters")
    assert [p.name for p in (tmp_path / "letters").iterdir()] == ["a.txt"]


def test_nothing_to_do_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(DataError, match="no inputs found"):
        plan_of([str(tmp_path / "in")], tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"PAR1 but no table"])
def test_a_damaged_shard_is_named(content: bytes, tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 9)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    shard = tmp_path / "out" / "shards" / "00000001.parquet"
    shard.write_bytes(content)
    with pytest.raises(OutputError, match=r"00000001\.parquet: damaged .*remove the file"):
        whole_run([str(tmp_path / "in")], tmp_path / "out")
    shard.unlink()
    whole_run([str(tmp_path / "in")], tmp_path / "out")


def test_a_shard_of_other_length_is_named(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 6)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    folder = tmp_path / "out" / "shards"
    (folder / "00000001.parquet").write_bytes((folder / "00000000.parquet").read_bytes())
    with pytest.raises(OutputError, match="4 rows, the plan has 2"):
        whole_run([str(tmp_path / "in")], tmp_path / "out")


def test_a_missing_shard_is_no_finished_run(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 6)
    plan = plan_of([str(tmp_path / "in")], tmp_path / "out")
    with pytest.raises(OutputError, match=r"00000000\.parquet: cannot be read"):
        finish(Store(tmp_path / "out"), plan)
    assert not (tmp_path / "out" / "errors.jsonl").exists()


def test_bad_inputs_are_tried_again_when_asked(tmp_path: Path) -> None:
    paths = draw_images(tmp_path / "in", 22)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    draw_images(tmp_path / "in", 22, bad=())  # mended
    store, plan = Store(tmp_path / "out"), read_plan(Store(tmp_path / "out"))
    assert plan is not None
    assert forget_errors(store, plan) == 2
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    assert_complete(tmp_path / "out", paths, bad=())


def test_a_run_lies_in_any_place_that_fsspec_reaches(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 10)
    out = "memory://runs/ten"
    summary = whole_run([str(tmp_path / "in")], out)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    assert summary.errors == 1
    local = [r | {"milliseconds": 0} for r in rows_of(tmp_path / "out")]
    assert [r | {"milliseconds": 0} for r in rows_of(out)] == local
    assert Store(out).names() == {
        "run.json", "plan.json", "plan", "shards", "errors.jsonl", "summary.json",
    }  # fmt: skip


def test_pictures_and_regions_lie_there_as_well(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 10)
    out = "memory://runs/pictures"
    changes: dict[str, Any] = {
        "map_format": "png", "regions": RegionSettings(pixel_threshold=0.4)
    }  # fmt: skip
    for place in (out, tmp_path / "out"):
        whole_run([str(tmp_path / "in")], place, **changes)
    rows = [row for row in rows_of(out) if row["error"] is None]
    names = [row[kind] for row in rows for kind in ("map", "mask")]
    for name in (*names, "regions.csv", "regions.coco.json"):
        assert Store(out).read(name) == Store(tmp_path / "out").read(name)
    assert Store(out).read("regions.csv").count(b"\n") > 2
