"""Engines without a cluster: what is missing is named, and the actor is the same work."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from many_images import draw_images, plan_of, recipe_of, whole_run

from faprompt.errors import CheckpointError, ConfigError, OutputError
from faprompt.scale.engines import Actor, LocalEngine, RayEngine, _error
from faprompt.scale.store import Store


def test_ray_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_images(tmp_path / "in", 3)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"needs Ray: pip install 'faprompt\[ray\]'"):
        whole_run([str(tmp_path / "in")], tmp_path / "out", RayEngine())


def test_pyarrow_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_images(tmp_path / "in", 3)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow: pip install 'faprompt\[scale\]'"):
        whole_run([str(tmp_path / "in")], tmp_path / "out")


def test_an_actor_loads_its_model_once_and_reports_every_task(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 10)
    plan = plan_of([str(tmp_path / "in")], tmp_path / "out")
    actor = Actor(recipe_of(tmp_path / "out", plan, pids=str(tmp_path / "pids")))
    assert actor.work is None  # nothing is loaded where it is made
    reports = actor({"task": np.array(["0", "2"], dtype=object)})["report"]
    loaded = actor.work
    actor({"task": np.array(["1"], dtype=object)})
    assert actor.work is loaded
    assert [json.loads(r)["shard"] for r in reports] == [0, 2]
    assert [json.loads(r)["rows"] for r in reports] == [4, 2]
    assert Store(tmp_path / "out").names("shards") == {f"0000000{i}.parquet" for i in range(3)}


def test_our_errors_keep_their_kind_on_the_way(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 3)
    plan = plan_of([str(tmp_path / "in")], tmp_path / "out")
    actor = Actor(recipe_of(tmp_path / "out", plan, refuse="no such model"))
    (report,) = actor({"task": np.array(["0"], dtype=object)})["report"]
    error = _error(json.loads(report))
    assert (type(error), str(error)) == (CheckpointError, "no such model")


def test_a_full_disk_ends_the_run_and_leaves_whole_shards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = draw_images(tmp_path / "in", 12)
    plan = plan_of([str(tmp_path / "in")], tmp_path / "out")
    write, calls = Path.write_bytes, iter(range(99))

    def full(path: Path, content: bytes) -> int:
        if next(calls) == 1:
            write(path, content[:10])
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    engine = LocalEngine().run(recipe_of(tmp_path / "out", plan), [0, 1, 2])
    assert next(engine)["rows"] == 4
    with pytest.raises(OutputError, match=r"00000001\.parquet: cannot be written \(No space left"):
        next(engine)
    assert [p.name for p in (tmp_path / "out" / "shards").iterdir()] == ["00000000.parquet"]
    monkeypatch.undo()
    assert whole_run([str(tmp_path / "in")], tmp_path / "out").inputs == len(paths)


def test_nothing_to_do_loads_nothing(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 3)
    whole_run([str(tmp_path / "in")], tmp_path / "out")
    again: dict[str, Any] = {"refuse": "loaded in vain"}
    assert whole_run([str(tmp_path / "in")], tmp_path / "out", **again).inputs == 3
