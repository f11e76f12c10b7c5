"""A watch from first look to restart: rows, heat maps, commands, and nothing twice."""

import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from stations import MODEL
from watches import POLL, Steps, Watched, grey, nothing, render_video, tenths

from faprompt.detection.arrivals import Ending, WatchedFolder
from faprompt.detection.frames import Video
from faprompt.detection.hook import Hook
from faprompt.detection.station import Station
from faprompt.detection.watch_log import WatchLog
from faprompt.detection.watching import Watch
from faprompt.errors import ConfigError, FAPromptError, OutputError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RECORDER = """
import json, sys
with open(sys.argv[1], "a") as file:
    file.write(json.dumps(sys.argv[2:]) + "\\n")
"""


@dataclass
class Line:
    """A production line: a folder where images arrive, and one where results go."""

    root: Path
    station: Station | None = field(default_factory=tenths)
    left_out: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inbox, self.out = self.root / "in", self.root / "out"
        self.inbox.mkdir()

    def put(self, name: str, value: float) -> Path:
        return grey(self.inbox / name, value)

    def watch(self, *steps: Callable[[], object], **settings: Any) -> "list[dict[str, Any]]":
        """A whole run; all that was given."""
        new_only = settings.pop("new_only", False)
        clock = Steps(*(steps or (nothing, nothing)))
        watch = self.job(clock.ending, **settings)
        return list(watch.folder(WatchedFolder(self.inbox), poll=POLL, new_only=new_only))

    def job(self, ending: Ending, **settings: Any) -> Watch:
        values: dict[str, Any] = {
            "model": Watched(self.station),
            "log": settings.pop("log", None) or WatchLog(self.out, str(self.inbox)),
            "left_out": self._leave_out,
        }
        return Watch(**values | settings, ending=ending, clock=lambda: NOON)

    def recorder(self) -> tuple[Hook, Callable[[], list[list[str]]]]:
        """A command that keeps its arguments; and what it was given so far."""
        script, said = self.root / "hook.py", self.root / "said.jsonl"
        script.write_text(RECORDER)
        words = [sys.executable, str(script), str(said), "{path}", "{score}", "{decision}", "{map}"]
        return Hook(shlex.join(words)), lambda: rows(said)

    def _leave_out(self, error: FAPromptError) -> None:
        self.left_out.append(str(error))


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def named(found: Iterable[dict[str, Any]]) -> list[str]:
    return [Path(row["path"]).name for row in found]


@pytest.fixture
def line(tmp_path: Path) -> Line:
    return Line(tmp_path)


def test_a_row_tells_everything_about_its_image(line: Line) -> None:
    path = line.put("a.png", 0.9)
    (row,) = line.watch()
    score = round(0.9 * 255) / 255
    assert row == {
        "time": "2026-01-02T12:00:00.000+00:00",
        "path": str(path),
        "image_score": pytest.approx(score),
        "width": 40,
        "height": 30,
        "milliseconds": row["milliseconds"],
        "decision": "NG",
        "margin": pytest.approx(score - 0.8, abs=1e-6),
        "peak": pytest.approx(score),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "model_sha256": MODEL,
        "station_sha256": tenths().sha256,
        "product": "nut",
        "bytes": path.stat().st_size,
        "modified_ns": path.stat().st_mtime_ns,
        "map": "maps/a.png",
    }
    assert rows(line.out / "predictions.jsonl") == [row]


class InFile(np.ndarray[Any, Any]):
    """A map that is to be read in bands, as those of large images are."""

    def max(self, *_: Any, **__: Any) -> Any:
        pytest.fail("read as a whole, it stays in memory")


class Large(Watched):
    def predict(self, source: Any, **options: Any) -> Any:
        for found in super().predict(source, **options):
            yield replace(found, anomaly_map=found.anomaly_map.view(InFile))


def test_the_map_of_a_large_image_is_not_held_in_memory(line: Line) -> None:
    line.put("a.png", 0.2)
    (row,) = line.watch(model=Large(line.station))
    assert row["peak"] == pytest.approx(0.2, abs=1 / 255)


def test_verdicts_and_heat_maps_of_what_is_not_ok(line: Line) -> None:
    for name, value in (("ok", 0.2), ("unsure", 0.6), ("ng", 0.9)):
        line.put(f"{name}.png", value)
    found = {row["decision"]: row for row in line.watch()}
    assert {v: named([row]) for v, row in found.items()} == {
        "OK": ["ok.png"],
        "UNSURE": ["unsure.png"],
        "NG": ["ng.png"],
    }
    assert sorted(p.name for p in (line.out / "maps").iterdir()) == ["ng.png", "unsure.png"]
    with Image.open(line.out / found["NG"]["map"]) as heat_map:
        assert heat_map.size == (40, 30)


def test_no_maps_if_none_are_wanted_and_names_in_two_folders_stay_apart(line: Line) -> None:
    line.put("a.png", 0.9)
    (line.inbox / "day").mkdir()
    line.put("day/a.png", 0.9)
    assert sorted(row["map"] for row in line.watch()) == ["maps/a.png", "maps/day/a.png"]
    line.put("b.png", 0.9)
    assert ["map" in row for row in line.watch(maps=False)] == [False]


def test_without_a_station_scores_alone(tmp_path: Path) -> None:
    line = Line(tmp_path, station=None)
    line.put("a.png", 1.0)
    (row,) = line.watch()
    assert row["image_score"] == 1.0
    assert not {"decision", "margin", "station_sha256", "map"} & row.keys()
    assert not (line.out / "maps").exists()


def test_images_are_scored_as_they_come(line: Line) -> None:
    line.put("first.png", 0.1)
    seen: list[int] = []

    def count() -> None:
        seen.append(len(rows(line.out / "predictions.jsonl")))

    def come() -> None:
        count()
        line.put("second.png", 0.2)

    found = line.watch(nothing, come, nothing, count)
    assert named(found) == ["first.png", "second.png"]
    assert seen == [1, 2]  # a row is there as soon as its image is done


def test_a_restart_does_nothing_twice_and_what_came_meanwhile(line: Line) -> None:
    hook, said = line.recorder()
    for i in range(3):
        line.put(f"{i}.png", 0.9)
    line.watch(hook=hook)
    line.put("3.png", 0.9)
    assert named(line.watch(hook=hook)) == ["3.png"]
    assert named(row for row in rows(line.out / "predictions.jsonl")) == [
        f"{i}.png" for i in range(4)
    ]
    assert len(said()) == 4


def test_the_end_comes_after_the_image_at_hand(line: Line) -> None:
    for i in range(6):
        line.put(f"{i}.png", 0.1)
        os.utime(line.inbox / f"{i}.png", ns=(0, i))
    clock = Steps(nothing)
    done = []
    for row in line.job(clock.ending).folder(WatchedFolder(line.inbox), poll=POLL):
        done.append(row)
        clock.ending.asked = len(done) == 2
    assert named(done) == ["0.png", "1.png"]
    assert len(rows(line.out / "predictions.jsonl")) == 2
    assert named(line.watch()) == [f"{i}.png" for i in range(2, 6)]


def test_a_row_that_was_cut_off_is_done_again_and_others_are_not(line: Line) -> None:
    for i in range(3):
        line.put(f"{i}.png", 0.1)
        os.utime(line.inbox / f"{i}.png", ns=(0, i))
    line.watch()
    log = line.out / "predictions.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole[:-20])
    assert named(line.watch()) == ["2.png"]
    assert log.read_bytes().count(b"\n") == len(rows(log)) == 3
    log.write_bytes(whole.replace(b'"path"', b'"pa\0h"', 1))  # what a dying disk may leave
    assert named(line.watch()) == ["0.png"]


def test_a_bad_image_costs_no_good_one_and_is_told_once(line: Line) -> None:
    line.put("good.png", 0.1)
    bad = line.inbox / "bad.png"
    bad.write_bytes(b"\x89PNG\r\n")
    found = line.watch(nothing, nothing, nothing, nothing)
    assert named(found) == ["good.png"]
    assert len(line.left_out) == 1
    assert line.left_out[0].startswith(f"{bad}: not an image")
    assert named(line.watch()) == []  # nor again after a restart
    (error,) = rows(line.out / "errors.jsonl")
    assert (error["path"], error["error"]) == (str(bad), line.left_out[0])
    line.put("bad.png", 0.2)
    assert named(line.watch()) == ["bad.png"]
    assert named(line.watch()) == []


def test_an_image_written_over_is_another_image(line: Line) -> None:
    path = line.put("now.png", 0.1)

    def write_over() -> None:
        line.put("now.png", 0.9)
        os.utime(path, ns=(0, 7))

    found = line.watch(nothing, write_over)
    assert named(found) == ["now.png"]
    again = line.watch()
    assert [(row["decision"], row["modified_ns"]) for row in again] == [("NG", 7)]


def test_an_image_that_changes_while_it_is_scored_gets_no_row_of_both(line: Line) -> None:
    path = line.put("a.png", 0.1)
    model = Watched(line.station)
    plain = model.predict

    def predict(source: Any, **options: Any) -> Any:
        for prediction in plain(source, **options):
            if len(model.asked) == 1:
                line.put("a.png", 0.9)
                os.utime(path, ns=(0, 7))
            yield prediction

    model.predict = predict  # type: ignore[method-assign]
    found = line.watch(nothing, nothing, nothing, model=model)
    assert [(row["decision"], row["modified_ns"]) for row in found] == [("NG", 7)]


def test_an_image_that_goes_away_is_left_out(line: Line) -> None:
    path = line.put("a.png", 0.1)
    model = Watched(line.station)
    plain = model.predict

    def predict(source: Any, **options: Any) -> Any:
        path.unlink()
        return plain(source, **options)

    model.predict = predict  # type: ignore[method-assign]
    assert line.watch(model=model) == []
    assert line.left_out == [f"{path}: not found; needed is an image file"]


def test_new_only_leaves_alone_what_is_there(line: Line) -> None:
    line.put("old.png", 0.1)
    found = line.watch(nothing, lambda: line.put("new.png", 0.1), nothing, new_only=True)
    assert named(found) == ["new.png"]
    assert named(line.watch()) == ["old.png"]  # the log knows nothing of it


def test_the_command_runs_once_per_ng_with_its_arguments(line: Line) -> None:
    hook, said = line.recorder()
    for name, value in (("ok.png", 0.2), ("unsure.png", 0.6), ("a b'.png", 0.9)):
        line.put(name, value)
    found = line.watch(hook=hook)
    score = f"{np.float32(round(0.9 * 255)) / np.float32(255):.6f}"
    path, heat_map = str(line.inbox / "a b'.png"), str(line.out / "maps" / "a b'.png")
    assert said() == [[path, score, "NG", heat_map]]
    assert [row.get("hook") for row in sorted(found, key=lambda r: -r["image_score"])] == [
        "done",
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("code", "told"),
    [("import sys; sys.exit(3)", "exit status 3"), ("import time; time.sleep(60)", "ended after")],
)
def test_a_command_that_fails_or_hangs_is_logged_and_stops_nothing(
    line: Line, code: str, told: str
) -> None:
    hook = Hook(shlex.join([sys.executable, "-c", code]), timeout=0.3 if "sleep" in code else 300)
    for i in range(2):
        line.put(f"{i}.png", 0.9)
    found = line.watch(hook=hook)
    assert len(found) == 2
    assert all(row["hook"].startswith(told) for row in rows(line.out / "predictions.jsonl"))


def test_the_row_comes_last_so_that_no_command_is_forgotten(line: Line) -> None:
    """Killed while the command runs, the watch does the image again."""
    line.put("a.png", 0.9)

    class Power(Hook):
        def __call__(self, **_: str) -> str:
            raise SystemExit

    with pytest.raises(SystemExit):
        line.watch(hook=Power("true"))
    hook, said = line.recorder()
    assert named(line.watch(hook=hook)) == ["a.png"]
    assert len(said()) == 1


def test_the_log_of_something_else_is_refused(line: Line) -> None:
    line.put("a.png", 0.1)
    line.watch()
    with pytest.raises(ConfigError, match=r"out: holds the log of a watch of .*in, not of 0; "):
        WatchLog(line.out, "0")
    (line.root / "mine").mkdir()
    (line.root / "mine" / "thesis.txt").touch()
    with pytest.raises(OutputError, match="mine: not empty and not the log of a watch"):
        WatchLog(line.root / "mine", "0")


def test_nothing_is_written_before_there_is_something_to_keep(line: Line) -> None:
    assert line.watch() == []
    assert not line.out.exists()


def test_pictures_of_a_video_are_kept_before_the_command_runs(line: Line) -> None:
    hook, said = line.recorder()
    source = render_video(line.root / "belt.avi", [20, 150, 240, 20])
    job = line.job(Ending(), hook=hook, log=WatchLog(line.out, str(source)))
    found = list(job.video(Video(str(source), ending=Ending())))
    assert [(row["frame"], row["decision"]) for row in found] == [
        (1, "OK"),
        (2, "UNSURE"),
        (3, "NG"),
        (4, "OK"),
    ]
    assert {row["source"] for row in found} == {str(source)}
    assert [row["path"] is None for row in found] == [True, False, False, True]
    ((path, score, verdict, heat_map),) = said()
    assert (path, verdict) == (str(line.out / "frames" / "belt-00000003.png"), "NG")
    assert heat_map == str(line.out / "maps" / "belt-00000003.png")
    with Image.open(path) as picture:
        pixels = np.asarray(picture)
    assert hashlib.sha256(pixels.tobytes()).hexdigest() == found[2]["sha256"]
    assert float(score) == pytest.approx(pixels.max() / 255, abs=0.02)


def test_a_video_goes_on_where_it_was_ended(line: Line) -> None:
    source = render_video(line.root / "belt.avi", [20] * 7)
    numbers = []
    for most in (3, 99):
        ending = Ending()
        job = line.job(ending, log=WatchLog(line.out, str(source)))
        for count, row in enumerate(job.video(Video(str(source), every=2, ending=ending)), 1):
            numbers.append(row["frame"])
            ending.asked = count == most
    assert numbers == [1, 3, 5, 7]
