"""Whole files alone, a log that survives a kill, a hook that no file name can turn against us."""

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from faprompt.detection import watching
from faprompt.detection.frames import frames
from faprompt.detection.watching import Hook, Log, WatchedFolder, stamp_of
from faprompt.errors import ConfigError, DataError, OutputError

STATION = "a" * 64


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def nothing_done(_: object) -> bool:
    return False


def test_a_file_is_whole_when_it_has_stopped_changing(tmp_path: Path) -> None:
    clock = Clock()
    watched = WatchedFolder(tmp_path, settle=2, clock=clock)
    path = tmp_path / "new" / "a.png"
    path.parent.mkdir()
    path.touch()
    assert watched.look(nothing_done) == ([], 0)  # empty: not begun
    for clock.now, text in enumerate(("1", "12", "123")):
        path.write_text(text)
        assert watched.look(nothing_done) == ([], 1)
    clock.now = 3.9
    assert watched.look(nothing_done) == ([], 1)
    clock.now = 4
    assert watched.look(nothing_done) == ([path], 0)


def test_done_files_are_not_given_again_until_they_change(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_text("1")
    log = Log(tmp_path / "log", station_sha256=STATION)
    watched = WatchedFolder(tmp_path, settle=0, exclude=tmp_path / "log")
    assert watched.look(log.is_done) == ([path], 0)
    stamp = stamp_of(path)
    assert stamp is not None
    log.add(dict(zip(("path", "size", "changed"), stamp, strict=True)))
    assert watched.look(log.is_done) == ([], 0)
    path.write_text("another picture of the same name")
    assert watched.look(log.is_done) == ([path], 0)


def test_older_files_first_and_strangers_not_at_all(tmp_path: Path) -> None:
    for name, changed in {
        "b.png": 10,
        "a.jpg": 20,
        "c.txt": 5,
        ".d.png": 5,
        "log/x.png": 5,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
        os.utime(path, (changed, changed))
    found, _ = WatchedFolder(tmp_path, settle=0, exclude=tmp_path / "log").look(nothing_done)
    assert [p.name for p in found] == ["b.png", "a.jpg"]


def test_a_folder_that_vanishes_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    watched = WatchedFolder(folder, settle=0)
    folder.rmdir()
    assert watched.look(nothing_done) == ([], 0)
    with pytest.raises(DataError, match="no such folder"):
        WatchedFolder(folder, settle=0)


def test_the_log_survives_a_kill(tmp_path: Path) -> None:
    log = Log(tmp_path / "out", station_sha256=STATION)
    log.add({"path": "a.png", "size": 1, "changed": 2})
    log.add({"source": "v.avi", "source_sha256": "s", "frame": 7})
    with log.path.open("a") as file:
        file.write('{"path": "b.png", "si')  # killed while writing
    again = Log(tmp_path / "out", station_sha256=STATION)
    assert again.is_done(("a.png", 1, 2))
    assert not again.is_done(("a.png", 1, 3))
    assert again.frames == {"s": 7}
    again.add({"path": "b.png", "size": 1, "changed": 2})
    rows = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [row.get("path") for row in rows] == ["a.png", None, "b.png"]


def test_the_log_of_another_station_and_other_folders_are_refused(tmp_path: Path) -> None:
    Log(tmp_path / "out", station_sha256=STATION).add({"path": "a", "size": 1, "changed": 2})
    with pytest.raises(ConfigError, match=r"another station \(aaaaaaaaaaaa\)"):
        Log(tmp_path / "out", station_sha256="b" * 64)
    with pytest.raises(OutputError, match="not empty and not a watch"):
        Log(tmp_path, station_sha256=STATION)


def test_the_hook_gets_names_as_they_are(tmp_path: Path) -> None:
    code = f"import sys, json; json.dump(sys.argv[1:], open({str(tmp_path / 'x')!r}, 'w'))"
    evil = "a b; touch {score} $(reboot) `x` '\".png"
    hook = Hook(f'{sys.executable} -c "{code}" {{path}} --is={{decision}}:{{score}}')
    assert hook.run(path=evil, score=0.5, decision="NG") == "done"
    assert json.loads((tmp_path / "x").read_text()) == [evil, "--is=NG:0.500000"]


def test_a_failing_hook_is_told_and_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Hook("false").run(path="a", score=0, decision="NG") == "exit code 1"
    monkeypatch.setattr(watching, "HOOK_SECONDS", 0.05)
    assert "timed out" in Hook("sleep 5").run(path="a", score=0, decision="NG")
    assert "failed" in Hook("true {path}").run(path="a\0b", score=0, decision="NG")


@pytest.mark.parametrize(
    ("command", "text"), [("", "no such program"), ("no-such-x", "no such program"), ("'", "quot")]
)
def test_a_hook_that_cannot_be_run_is_refused_at_once(command: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        Hook(command)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Ten frames, each brighter than the one before, without loss."""
    path = str(tmp_path_factory.mktemp("video") / "v.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"FFV1"), 5, (32, 16))
    assert writer.isOpened()
    for i in range(10):
        picture = np.full((16, 32, 3), 20 * i, np.uint8)
        picture[:, :, 2] += 5  # BGR: red is the last
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.parametrize(
    ("every", "after", "numbers"),
    [(1, -1, list(range(10))), (3, -1, [0, 3, 6, 9]), (3, 3, [6, 9]), (1, 99, [])],
)
def test_every_nth_frame(video: str, every: int, after: int, numbers: list[int]) -> None:
    found = list(frames(video, every=every, after=after))
    assert [f.number for f in found] == numbers
    for frame in found:
        assert frame.pixels.shape == (16, 32, 3)
        expected = np.array([20 * frame.number + 5, *[20 * frame.number] * 2])
        assert np.abs(frame.pixels.mean(axis=(0, 1)) - expected).max() <= 3  # via YUV
        assert frame.seconds == pytest.approx(frame.number / 5)


def test_frames_have_hashes_of_their_pixels(video: str) -> None:
    hashes = [frame.pixels_sha256 for frame in frames(video)]
    assert len(set(hashes)) == 10
    assert hashes == [frame.pixels_sha256 for frame in frames(video)]


def test_what_is_no_video_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "v.avi").write_bytes(b"not a video")
    with pytest.raises(DataError, match=r"v\.avi: cannot be opened as a video"):
        next(frames(str(tmp_path / "v.avi")))
    with pytest.raises(DataError, match="no such file"):
        next(frames("none.avi"))
    with pytest.raises(DataError, match="99: cannot be opened as a camera"):
        next(frames("99"))
    with pytest.raises(ConfigError, match="at least 1"):
        next(frames("0", every=0))
