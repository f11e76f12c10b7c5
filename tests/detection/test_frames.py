"""Pictures of videos, rendered here, and of cameras that are played."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from watches import Steps, render_video

from faprompt.detection.arrivals import Ending
from faprompt.detection.frames import LONGEST_PAUSE, Video
from faprompt.errors import DataError

RATE = 10.0


def values(video: Video, *, after: int = 0) -> list[tuple[int, int]]:
    """Number and mean grey value of each picture."""
    return [(f.number, round(float(f.pixels.mean()))) for f in video.frames(after=after)]


def test_every_nth_picture_in_order(tmp_path: Path) -> None:
    path = render_video(tmp_path / "a.avi", [20 * i for i in range(8)])
    for every, numbers in ((1, range(1, 9)), (3, (1, 4, 7)), (20, (1,))):
        found = values(Video(str(path), every=every, ending=Ending()))
        assert [number for number, _ in found] == list(numbers)
        for number, value in found:
            assert value == pytest.approx(20 * (number - 1), abs=3)  # JPEG


def test_a_video_goes_on_behind_what_was_done(tmp_path: Path) -> None:
    path = render_video(tmp_path / "a.avi", range(0, 80, 10))
    video = Video(str(path), every=3, ending=Ending())
    assert [number for number, _ in values(video, after=4)] == [7]


def test_colours_are_rgb(tmp_path: Path) -> None:
    writer = cv2.VideoWriter(
        str(tmp_path / "red.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (32, 16)
    )
    writer.write(np.full((16, 32, 3), (0, 0, 250), np.uint8))  # BGR
    writer.release()
    (frame,) = Video(str(tmp_path / "red.avi"), ending=Ending()).frames()
    red, green, blue = frame.pixels.reshape(-1, 3).mean(axis=0)
    assert frame.pixels.shape == (16, 32, 3)
    assert red > 240
    assert max(green, blue) < 10


def test_a_video_that_breaks_off_is_told(tmp_path: Path) -> None:
    path = render_video(tmp_path / "a.avi", range(0, 200, 5))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    said: list[str] = []
    found = values(Video(str(path), ending=Ending(), say=said.append))
    assert 0 < len(found) < 40
    assert said == [f"{path}: only {len(found)} of 40 pictures could be read"]


@pytest.mark.parametrize("source", ["none.mp4", "broken.mp4", "97"])
def test_what_cannot_be_opened_is_named(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.mp4").write_bytes(b"no video" * 9)
    with pytest.raises(DataError, match=rf"{source}: cannot be opened; needed is a video file"):
        list(Video(source, ending=Ending()).frames())


class Camera:
    """Gives a picture every tenth of a second and keeps those that are not fetched.

    Args:
        steps: Its clock.
        gone: Tells whether it has gone.
    """

    def __init__(self, clock: "Clock", gone: Callable[[], bool] = lambda: False) -> None:
        self.clock, self.gone = clock, gone
        self.started, self.given = clock.now, 0

    def isOpened(self) -> bool:  # noqa: N802
        return not self.gone()

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FPS: RATE, cv2.CAP_PROP_FRAME_COUNT: -1.0}[prop]

    def grab(self) -> bool:
        if self.gone():
            return False
        self.given += 1
        self.clock.now = max(self.clock.now + 0.001, self.started + self.given / RATE)
        return True

    def retrieve(self) -> tuple[bool, Any]:
        return True, np.full((4, 6), self.given, np.uint8)

    def release(self) -> None: ...


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


def camera(clock: Clock, *, gone: Callable[[], bool] = lambda: False, **settings: Any) -> Video:
    video = Video("rtsp://me:secret@host/line", **settings)
    video.clock = clock
    video.open = lambda _: Camera(clock, gone)
    return video


def test_pictures_of_a_camera_are_never_old() -> None:
    clock = Clock()
    ending = Ending()
    ages, numbers = [], []
    for frame in camera(clock, ending=ending).frames():
        numbers.append(frame.number)
        ages.append(clock.now - frame.number / RATE)  # it was taken at number / RATE
        clock.now += 1.04  # so long does scoring take: ten pictures wait meanwhile
        ending.asked = len(numbers) == 6
    assert max(ages) < 1 / RATE
    assert 60 >= numbers[-1] >= 50  # one a second, nothing is lost beyond that


def test_no_picture_is_lost_while_scoring_keeps_up() -> None:
    clock, ending = Clock(), Ending()
    numbers = []
    for frame in camera(clock, ending=ending, every=2).frames():
        numbers.append(frame.number)
        clock.now += 0.08
        ending.asked = len(numbers) == 5
    assert numbers == [1, 3, 5, 7, 9]


def test_a_camera_that_goes_away_is_tried_again() -> None:
    clock, said = Clock(), list[str]()
    ending = Ending(clock.pass_)
    video = camera(clock, gone=lambda: 0.55 < clock.now < 3, ending=ending, say=said.append)
    numbers = []
    for frame in video.frames():
        numbers.append(frame.number)
        ending.asked = len(numbers) == 8
    assert numbers == list(range(1, 9))
    name = "rtsp://host/line"
    assert said == [
        f"{name}: no picture comes; trying again in 1 s (1 of 10)",
        f"{name}: no picture comes; trying again in 2 s (2 of 10)",
        f"{name}: pictures come again",
    ]


def test_a_camera_that_stays_away_is_given_up() -> None:
    clock, said, slept = Clock(), list[str](), list[float]()
    ending = Ending(slept.append)
    video = camera(clock, gone=lambda: clock.now > 0.2, ending=ending, say=said.append, tries=7)
    with pytest.raises(DataError) as caught:
        list(video.frames())
    assert str(caught.value) == (
        "rtsp://host/line: went away and did not come back in 7 tries; look after the camera and "
        "start again"
    )
    assert len(said) == 7
    assert sum(slept) == pytest.approx(1 + 2 + 4 + 8 + 16 + 2 * LONGEST_PAUSE)


def test_the_end_can_be_asked_for_while_a_camera_is_away() -> None:
    clock = Clock()
    steps = Steps(lambda: None, lambda: None)
    video = camera(clock, gone=lambda: clock.now > 0.2, ending=steps.ending)
    assert len(list(video.frames())) == 3  # the last begins at 0.2 s


@pytest.mark.parametrize(
    ("source", "stem"),
    [("0", "camera-0"), ("rtsp://me:secret@host/line 1", "camera-rtsp-host-line-1")],
)
def test_names_for_files_hold_nothing_odd_and_no_password(source: str, stem: str) -> None:
    assert Video(source, ending=Ending()).stem == stem


@contextmanager
def camera_on_the_net(*greys: int) -> Iterator[str]:
    """A camera that sends JPEG after JPEG over HTTP: 30 of a grey value per connection."""
    left = list(greys)

    class Sender(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not left:
                self.send_error(404)
                return
            picture = np.full((48, 64, 3), left.pop(0), np.uint8)
            content = cv2.imencode(".jpg", picture)[1].tobytes()
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n\r\n"
            self.wfile.write((head.encode() + content + b"\r\n") * 30)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Sender) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://user:secret@127.0.0.1:{server.server_port}/video"
        finally:
            server.shutdown()
            thread.join()


def test_a_stream_over_the_network_is_seen_and_seen_again_when_it_comes_back() -> None:
    said: list[str] = []
    found: list[tuple[int, int]] = []

    def watch(video: Video) -> None:
        found.extend((f.number, round(f.pixels.mean() / 10) * 10) for f in video.frames())

    with camera_on_the_net(50, 200) as address:
        video = Video(address, tries=1, ending=Ending(lambda _: None), say=said.append)
        with pytest.raises(DataError, match=r"went away and did not come back") as error:
            watch(video)
    assert {value for _, value in found} == {50, 200}
    assert found == sorted(found)
    assert [text.split(": ")[1].split(";")[0] for text in said] == [
        "no picture comes", "pictures come again", "no picture comes"
    ]  # fmt: skip
    assert "secret" not in f"{said} {error.value} {video.name} {video.stem}"
