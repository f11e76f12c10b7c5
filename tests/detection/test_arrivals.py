"""Files in a folder as they come; time passes by steps."""

import os
from pathlib import Path

import pytest
from watches import POLL, Steps, grey, nothing

from faprompt.detection.arrivals import SLICE, Arrival, Ending, State, WatchedFolder, state_of
from faprompt.errors import ConfigError, DataError


def names(folder: Path, *steps: object, known: set[Arrival] | None = None) -> list[list[str]]:
    """What each look found, all of it dealt with at once."""
    known = set() if known is None else known
    found = []
    clock = Steps(*steps)  # type: ignore[arg-type]
    for group in WatchedFolder(folder).arrivals(known, ending=clock.ending, poll=POLL):
        known.update(group)
        found.append([Path(arrival.path).relative_to(folder).as_posix() for arrival in group])
    return found


def append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)


def test_files_come_oldest_first_and_once(tmp_path: Path) -> None:
    for age, name in enumerate(["b.png", "c.JPG", "a.tif"]):
        (tmp_path / name).write_bytes(b"x")
        os.utime(tmp_path / name, ns=(0, 10**9 * age))
    (tmp_path / "notes.txt").write_text("no image")
    assert names(tmp_path, nothing, nothing, nothing) == [["b.png", "c.JPG", "a.tif"]]


def test_a_file_that_grows_waits_until_it_stood_still(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    seen: list[str] = []
    steps = [
        lambda: append(path, b"1"),
        lambda: append(path, b"2"),
        lambda: append(path, b"3"),
        lambda: seen.append("stands still"),
        lambda: seen.append("came"),
    ]
    clock = Steps(*steps)
    for group in WatchedFolder(tmp_path).arrivals(set(), ending=clock.ending, poll=POLL):
        assert seen == ["stands still"]
        assert group == [Arrival(str(path), State(3, path.stat().st_mtime_ns))]
        clock.ending.asked = True
    assert seen == ["stands still"]


def test_a_change_of_time_alone_is_a_change(tmp_path: Path) -> None:
    path = grey(tmp_path / "a.png", 0.5)
    found = names(tmp_path, nothing, lambda: os.utime(path, ns=(0, 5)), nothing)
    assert found == [["a.png"], ["a.png"]]


def test_names_that_start_with_a_dot_wait_for_their_name(tmp_path: Path) -> None:
    hidden = grey(tmp_path / ".a.png", 0.5)
    (tmp_path / ".inside").mkdir()
    grey(tmp_path / ".inside" / "b.png", 0.5)
    steps = [nothing, nothing, lambda: hidden.rename(tmp_path / "a.png"), nothing, nothing]
    assert names(tmp_path, *steps) == [["a.png"]]


def test_folders_below_count_and_results_inside_do_not(tmp_path: Path) -> None:
    for name in ("day/1", "out/maps"):
        (tmp_path / name).mkdir(parents=True)
        grey(tmp_path / name / "a.png", 0.5)
    found = WatchedFolder(tmp_path, exclude=tmp_path / "out").scan()
    assert [arrival.path for arrival in found] == [str(tmp_path / "day/1/a.png")]


def test_what_is_known_is_left_alone(tmp_path: Path) -> None:
    known = {Arrival(str(p), state_of(p) or State(0, 0)) for p in [grey(tmp_path / "a.png", 0.5)]}
    grey(tmp_path / "b.png", 0.5)
    assert names(tmp_path, nothing, nothing, known=known) == [["b.png"]]


def test_a_folder_that_goes_away_is_told_once_and_comes_back(tmp_path: Path) -> None:
    folder, away = tmp_path / "in", tmp_path / "away"
    folder.mkdir()
    grey(folder / "a.png", 0.5)
    said: list[str] = []
    clock = Steps(
        lambda: folder.rename(away), nothing, nothing, lambda: away.rename(folder), nothing
    )
    watched = WatchedFolder(folder, say=said.append)
    found = list(watched.arrivals(set(), ending=clock.ending, poll=POLL))
    assert [len(group) for group in found] == [1]
    assert said == [
        f"{folder}: cannot be read (No such file or directory); trying again",
        f"{folder}: can be read again",
    ]


def test_wrong_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none: not a folder; needed is one where images arrive"):
        WatchedFolder(tmp_path / "none")
    (tmp_path / "in").mkdir()
    for out in (tmp_path / "in", tmp_path):
        with pytest.raises(ConfigError, match=r"results cannot go where .*in is watched"):
            WatchedFolder(tmp_path / "in", exclude=out)


def test_a_pause_ends_soon_after_the_end_was_asked_for() -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        ending.asked = len(slept) == 2

    ending = Ending(sleep)
    assert not ending.pause(60)
    assert slept == [SLICE, SLICE]
    assert not ending.pause(60)  # asked before: no sleep at all
    assert len(slept) == 2


def test_a_pause_is_as_long_as_it_should_be() -> None:
    slept: list[float] = []
    assert Ending(slept.append).pause(0.5)
    assert sum(slept) == pytest.approx(0.5)
