"""A desk as a process: killed, stopped, and asked by slow clients."""

import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from desk_process import LATER, Running, running
from desks import API, GreyModel, png, served
from patience import PATIENCE, until

from faprompt.deploy.server.desk import Desk
from faprompt.errors import ConfigError

HEALTH = f"GET {API}/health HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def new_batch(desk: Running) -> str:
    status, batch = desk.ask("POST", "/batches", b'{"name": "x"}')
    assert status == 201
    return str(batch["id"])


def statuses(desk: Running, batch: str) -> dict[str, str]:
    rows = desk.ask("GET", f"/batches/{batch}/items?limit=1000")[1]["items"]
    return {row["id"]: row["status"] for row in rows}


def test_after_kill_9_everything_accepted_is_scored_once(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(tmp_path / "desk", gate, batch_size=2) as desk:
        batch = new_batch(desk)
        files = [(f"{n}.png", png(n)) for n in range(7)]
        accepted = [
            item["id"] for item in desk.send(f"/batches/{batch}/images", *files)[1]["items"]
        ]
        until(lambda: "running" in statuses(desk, batch).values(), "a group at the model")
        desk.process.send_signal(signal.SIGKILL)
        desk.process.wait()
    gate.touch()
    with running(tmp_path / "desk", gate) as desk:
        until(lambda: set(statuses(desk, batch).values()) == {"done"}, "all images done")
        assert sorted(statuses(desk, batch)) == sorted(accepted)
        rows = desk.ask("GET", f"/batches/{batch}/items")[1]["items"]
    scores = {row["name"]: row["image_score"] for row in rows}
    assert scores == pytest.approx({f"{n}.png": n / 255 for n in range(7)})
    maps = [path.name for path in (tmp_path / "desk" / "maps").rglob("*") if path.is_file()]
    assert sorted(maps) == sorted(accepted)


def test_sigterm_lets_running_requests_finish_and_keeps_what_waits(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(tmp_path / "desk", gate, batch_size=1) as desk:
        batch = new_batch(desk)
        answers: list[tuple[int, Any]] = []
        asking = threading.Thread(
            target=lambda: answers.append(desk.send("/score", ("a.png", png(51)), field="file"))
        )
        asking.start()
        until(lambda: waiting(desk) == 0 and in_progress(desk), "the image at the model")
        desk.send(f"/batches/{batch}/images", ("later.png", png(1)))
        desk.process.send_signal(signal.SIGTERM)
        until(lambda: refused(desk.port), "no new connections")
        assert not answers
        gate.touch()
        asking.join(PATIENCE)
        assert answers[0][0] == 200
        assert answers[0][1]["image_score"] == pytest.approx(0.2)
        assert desk.process.wait(PATIENCE) == 0
    with running(tmp_path / "desk", gate) as desk:
        until(lambda: set(statuses(desk, batch).values()) == {"done"}, "the image that waited")


def waiting(desk: Running) -> int:
    return int(desk.ask("GET", "/health")[1]["queue"]["waiting"])


def in_progress(desk: Running) -> bool:
    with socket.create_connection(("127.0.0.1", desk.port), timeout=PATIENCE) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b""))
    return b"faprompt_images_at_model 1.0" in text


def refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE).close()
    except OSError:
        return True
    return False


def test_slow_clients_hold_nobody_and_are_let_go(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with running(tmp_path / "desk", gate) as desk:
        batch = new_batch(desk)
        head = (
            f"POST {API}/batches/{batch}/images HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
        ).encode()
        heads = [slow(desk, head[:40]) for _ in range(50)]
        bodies = [slow(desk, head + b"--b\r\nContent-Disp") for _ in range(50)]
        status, reply = desk.send("/score", ("a.png", png(51)), field="file")
        assert (status, reply["status"]) == (200, "done")
        desk.process.send_signal(LATER)
        for connection in heads:
            assert connection.recv(4096) == b""
            connection.close()
        for connection in bodies:
            answer = b"".join(iter(lambda: connection.recv(4096), b""))  # noqa: B023
            assert answer.startswith(b"HTTP/1.1 408 ")
            assert b"connection: close" in answer
            connection.close()
        assert not list((tmp_path / "desk" / "incoming").iterdir())


def test_one_client_with_many_connections_holds_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "desk", tmp_path / "gate", connections=8) as desk:
        kept = [slow(desk, HEALTH) for _ in range(5)]
        assert all(connection.recv(4096).startswith(b"HTTP/1.1 200 ") for connection in kept)
        with slow(desk, b"") as refused:
            assert refused.recv(4096) == b""
        with slow(desk, HEALTH, source="127.0.0.2") as other:
            assert other.recv(4096).startswith(b"HTTP/1.1 200 ")
        kept.pop().close()

        def served_again() -> bool:
            with slow(desk, b"") as connection:
                try:
                    connection.sendall(HEALTH)
                    return connection.recv(4096).startswith(b"HTTP/1.1 200 ")
                except ConnectionError:
                    return False

        until(served_again, "a place for another connection")
        for connection in kept:
            connection.close()


def slow(desk: Running, data: bytes, source: str = "127.0.0.1") -> socket.socket:
    connection = socket.create_connection(
        ("127.0.0.1", desk.port), timeout=PATIENCE, source_address=(source, 0)
    )
    connection.sendall(data)
    return connection


def test_an_answer_before_the_end_of_a_body_reaches_its_sender(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    head = f"POST {API}/score HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n"
    with (
        running(tmp_path / "desk", gate, request_bytes=10_000) as desk,
        slow(desk, head.encode()) as connection,
    ):
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")
        for _ in range(300):
            connection.sendall(bytes(10_000))  # no reset by the peer
        assert b"too large" not in b"".join(iter(lambda: connection.recv(4096), b""))


def test_one_desk_has_one_process(tmp_path: Path) -> None:
    first = Desk(tmp_path, [served(GreyModel())])
    first.open()
    with pytest.raises(ConfigError, match="this desk is served by another process"):
        Desk(tmp_path, [served(GreyModel())]).open()
    first.close()
    second = Desk(tmp_path, [served(GreyModel())])
    second.open()
    second.close()
