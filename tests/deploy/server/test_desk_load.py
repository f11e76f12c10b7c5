"""More work than the desk can do: refusals at once, turns, time limits, no growth."""

import io
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import API, GreyModel, client_of, finished_items, let_pass, new_batch, png, send, served
from fastapi.testclient import TestClient
from patience import PATIENCE, until
from PIL import Image
from small_disk import SmallDisk, may_mount

from faprompt.data.images import open_image
from faprompt.deploy.server import worker
from faprompt.deploy.server.folder import DeskFolder
from faprompt.deploy.server.shares import Shares
from faprompt.deploy.server.store import Store
from faprompt.detection.prediction import Prediction
from faprompt.errors import OutputError


@pytest.fixture
def model() -> GreyModel:
    model = GreyModel()
    model.gate.clear()
    return model


@pytest.fixture
def client(tmp_path: Path, model: GreyModel) -> Iterator[TestClient]:
    with client_of(tmp_path / "d", served(model), waiting=3, batch_size=1) as client:
        yield client
        model.gate.set()


def fill(client: TestClient, model: GreyModel) -> str:
    """A batch with one image at the model and two of three places taken."""
    batch = new_batch(client)
    send(client, batch, ("0.png", png(0)))
    assert model.busy.wait(PATIENCE)
    send(client, batch, ("1.png", png(1)), ("2.png", png(2)))
    return batch


def test_a_full_queue_refuses_at_once_and_says_when_to_come_back(
    client: TestClient, model: GreyModel
) -> None:
    batch = fill(client, model)
    reply = send(client, batch, ("3.png", png(3)), ("4.png", png(4)))
    assert reply.status_code == 202
    assert [item["name"] for item in reply.json()["items"]] == ["3.png"]
    assert reply.json()["rejected"] == [
        {"name": "4.png", "message": "the queue is full", "retry": True}
    ]
    assert int(reply.headers["retry-after"]) > 0
    for refused in (
        send(client, batch, ("4.png", png(4))),
        client.post(f"{API}/score", files={"file": ("a.png", png(1))}),
    ):
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
    assert client.get(f"{API}/health").json()["queue"] == {"waiting": 3, "limit": 3}
    model.gate.set()
    assert [item["name"] for item in finished_items(client, batch)] == [
        f"{n}.png" for n in range(4)
    ]
    assert send(client, batch, ("4.png", png(4))).status_code == 202


def test_too_many_requests_at_once_are_refused(tmp_path: Path, model: GreyModel) -> None:
    with client_of(tmp_path, served(model), requests=2, batch_size=1) as client:
        desk = client.app.state.desk  # type: ignore[attr-defined]
        answers: list[Any] = []

        def ask() -> None:
            answers.append(client.post(f"{API}/score", files={"file": ("a.png", png(1))}))

        asking = [threading.Thread(target=ask) for _ in range(2)]
        for thread in asking:
            thread.start()
        until(lambda: model.busy.is_set() and len(desk.queue) == 1, "two requests under way")
        refused = client.get(f"{API}/health")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert "content-security-policy" in refused.headers
        model.gate.set()
        for thread in asking:
            thread.join(PATIENCE)
        assert [reply.status_code for reply in answers] == [200, 200]
        assert client.get(f"{API}/health").status_code == 200


def test_one_client_leaves_places_for_others() -> None:
    shares = Shares(8)
    greedy = "10.0.0.1"
    assert [shares.take(greedy) for _ in range(6)] == [True] * 5 + [False]
    assert [shares.take("10.0.0.2") for _ in range(3)] == [True, True, False]
    assert shares.take("10.0.0.3")
    assert not shares.take("10.0.0.4")  # none is left
    shares.give_back(greedy)
    assert not shares.take(greedy)
    assert shares.take("::ffff:10.0.0.4")
    shares.give_back("10.0.0.4")  # the same client


def test_all_addresses_of_an_ipv6_network_are_one_client() -> None:
    shares = Shares(4)
    assert [shares.take(f"2001:db8::{n}") for n in range(4)] == [True, True, True, False]
    assert shares.take("2001:db9::1")


def test_requests_of_one_client_do_not_refuse_another(tmp_path: Path, model: GreyModel) -> None:
    with client_of(tmp_path, served(model), requests=4, batch_size=1) as client:
        one = {"file": ("a.png", png(1))}
        asking = [
            threading.Thread(target=lambda: client.post(f"{API}/score", files=one))
            for _ in range(3)
        ]
        for thread in asking:
            thread.start()
        desk = client.app.state.desk  # type: ignore[attr-defined]
        until(lambda: model.busy.is_set() and len(desk.queue) == 2, "three requests under way")
        assert client.get(f"{API}/health").status_code == 503
        elsewhere = TestClient(client.app, base_url="http://127.0.0.1", client=("10.0.0.2", 1))
        assert elsewhere.get(f"{API}/health").status_code == 200
        model.gate.set()
        for thread in asking:
            thread.join(PATIENCE)


def test_images_of_two_clients_take_turns(tmp_path: Path) -> None:
    widths: list[int] = []

    class Noting(GreyModel):
        def predict(self, source: Iterable[Any], **how: Any) -> Iterator[Prediction]:
            paths = list(source)
            widths.extend(open_image(path).width for path in paths)
            return super().predict(paths, **how)

    model = Noting()
    model.gate.clear()
    with client_of(tmp_path, served(model), batch_size=1) as client:
        desk = client.app.state.desk  # type: ignore[attr-defined]
        other = TestClient(client.app, base_url="http://127.0.0.1", client=("10.0.0.2", 1))
        asking: list[threading.Thread] = []

        def ask(one: TestClient, width: int) -> None:
            files = {"file": ("a.png", png(1, (width, 8)))}
            asking.append(threading.Thread(target=lambda: one.post(f"{API}/score", files=files)))
            asking[-1].start()
            until(lambda: model.busy.is_set() and len(desk.queue) == len(asking) - 1, "its turn")

        for width in (10, 11, 12, 13):
            ask(client, width)
        ask(other, 20)
        model.gate.set()
        for thread in asking:
            thread.join(PATIENCE)
    assert widths == [10, 11, 20, 12, 13]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker tries again soon."""
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("owner", "name"), [(Store, "start"), (DeskFolder, "write_map"), (Store, "finish")]
)
def test_what_cannot_be_kept_is_told_and_kept_as_soon_as_it_can(
    owner: type, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[Any] = []

    def full(*given: Any, **_: Any) -> bool:
        tries.append(given)
        raise OutputError("desk.sqlite: cannot be written (database or disk is full)")

    model = GreyModel()
    with client_of(tmp_path, served(model), batch_size=4) as client:
        batch = new_batch(client)
        with monkeypatch.context() as broken:
            broken.setattr(owner, name, full)
            one = {"file": ("a.png", png(51))}
            reply = client.post(f"{API}/score", files=one, data={"batch": batch})
            assert reply.status_code == 507
            assert "disk is full" in reply.json()["error"]["message"]
            send(client, batch, ("b.png", png(102)), ("bad.png", b"GIF89a"))
            until(lambda: len(tries) > 3, "several tries")
            assert client.get(f"{API}/health").status_code == 507
            assert "disk is full" in client.get(f"{API}/batches/{batch}").json()["trouble"]
        items = finished_items(client, batch)
        assert [item["image_score"] for item in items] == [pytest.approx(0.2), pytest.approx(0.4)]
        assert client.get(f"{API}/batches/{batch}").json()["trouble"] is None
        assert client.get(f"{API}/health").status_code == 200


@pytest.mark.usefixtures("quick")
def test_a_desk_that_cannot_be_written_still_stops_and_goes_on_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OutputError("maps: cannot be written (No space left on device)")

    with monkeypatch.context() as broken, client_of(tmp_path, served(GreyModel())) as client:
        broken.setattr(DeskFolder, "write_map", full)
        batch = new_batch(client)
        send(client, batch, ("a.png", png(51)))
        until(lambda: client.get(f"{API}/health").status_code == 507, "a full disk")
    with client_of(tmp_path, served(GreyModel())) as client:
        (item,) = finished_items(client, batch)
    assert item["image_score"] == pytest.approx(0.2)


@pytest.mark.usefixtures("quick")
@pytest.mark.skipif(not may_mount(), reason="needs the right to mount a small disk")
def test_a_disk_that_is_really_full(tmp_path: Path, model: GreyModel) -> None:
    disk = SmallDisk(tmp_path / "disk", 1024)
    try:
        with client_of(disk.path / "desk", served(model), batch_size=2) as client:
            batch = new_batch(client)
            files = [(f"{n}.png", noise(n)) for n in range(6)]
            accepted = send(client, batch, *files).json()["items"]
            assert len(accepted) == 6
            filler = disk.path / "filler"
            fill_up(filler)
            model.gate.set()
            until(lambda: client.get(f"{API}/health").status_code == 507, "a full disk")
            for refused in (
                send(client, batch, ("more.png", noise(6))),
                client.post(f"{API}/score", files={"file": ("a.png", noise(7))}),
            ):
                assert refused.status_code == 507
                message = refused.json()["error"]["message"]
                assert message == "incoming: cannot be written (No space left on device)"
            for size in ("thumb", "view"):
                picture = client.get(f"{API}/items/{accepted[0]['id']}/image?size={size}")
                assert picture.status_code == 200
            filler.unlink()
            items = finished_items(client, batch)
            assert [item["status"] for item in items] == ["done"] * 6
            for item in items:
                assert client.get(f"{API}/items/{item['id']}/map").status_code == 200
            assert not list((disk.path / "desk" / "incoming").iterdir())
            assert not list((disk.path / "desk" / "maps").rglob(".*"))
    finally:
        disk.close()


def noise(seed: int) -> bytes:
    """A picture that no compression makes small: some 10 kB."""
    pixels = np.random.default_rng(seed).integers(0, 256, (100, 100), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def fill_up(path: Path) -> None:
    """Write until the disk takes no byte more."""
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_one_image_does_not_wait_for_a_large_batch(client: TestClient, model: GreyModel) -> None:
    batch = fill(client, model)
    answers: list[Any] = []
    asking = threading.Thread(
        target=lambda: answers.append(
            client.post(f"{API}/score", files={"file": ("single.png", png(255))})
        )
    )
    asking.start()
    until(lambda: client.get(f"{API}/health").json()["queue"]["waiting"] == 3, "three that wait")
    model.gate.set()
    asking.join(PATIENCE)
    assert answers[0].json()["image_score"] == 1.0
    finished_items(client, batch)
    order = [group[0] for group in model.groups]
    single = next(n for n, name in enumerate(order) if len(name) != 64)
    assert single == 2  # after the one at the model and the one whose turn it was


def test_what_waits_is_looked_at_together(tmp_path: Path, model: GreyModel) -> None:
    with client_of(tmp_path, served(model), batch_size=4, batch_wait_seconds=PATIENCE) as client:
        first, second = new_batch(client), new_batch(client)
        model.gate.set()
        send(client, first, *((f"{n}.png", png(n)) for n in range(3)))
        send(client, second, ("9.png", png(9)))
        finished_items(client, first)
        finished_items(client, second)
    assert [len(group) for group in model.groups] == [4]


def asked_too_long(client: TestClient, model: GreyModel, held_in: str, **fields: str) -> Any:
    """The answer to an image that waits behind another one until the time of a request is over."""
    desk = client.app.state.desk  # type: ignore[attr-defined]
    send(client, held_in, ("held.png", png(0)))
    assert model.busy.wait(PATIENCE)
    answers: list[Any] = []
    late = {"file": ("late.png", png(51))}
    asking = threading.Thread(
        target=lambda: answers.append(client.post(f"{API}/score", files=late, data=fields))
    )
    asking.start()
    until(lambda: len(desk.queue) == 1, "an image that waits")
    assert client.portal is not None
    client.portal.call(let_pass, desk.limits.request_seconds)
    asking.join(PATIENCE)
    return answers[0]


def test_a_request_over_its_time_is_answered_and_its_image_not_scored(
    tmp_path: Path, model: GreyModel
) -> None:
    with client_of(tmp_path, served(model), batch_size=1) as client:
        batch = new_batch(client)
        reply = asked_too_long(client, model, batch)
        assert reply.status_code == 504
        assert reply.json()["error"]["message"] == "the request took too long; try again later"
        model.gate.set()
        finished_items(client, batch)
        client.post(f"{API}/score", files={"file": ("next.png", png(2))})
    assert len(model.groups) == 2
    assert not list((tmp_path / "incoming").iterdir())


def test_an_image_of_a_batch_is_scored_though_nobody_waits_for_the_answer(
    tmp_path: Path, model: GreyModel
) -> None:
    with client_of(tmp_path, served(model), batch_size=1) as client:
        batch = new_batch(client)
        assert asked_too_long(client, model, batch, batch=batch).status_code == 504
        model.gate.set()
        items = finished_items(client, batch)
    assert [item["status"] for item in items] == ["done", "done"]


def test_stopping_answers_who_still_waits(tmp_path: Path, model: GreyModel) -> None:
    answers: list[Any] = []
    with client_of(tmp_path, served(model), batch_size=1) as client:
        batch = new_batch(client)
        send(client, batch, ("held.png", png(0)))
        assert model.busy.wait(PATIENCE)
        desk = client.app.state.desk  # type: ignore[attr-defined]
        asking = threading.Thread(
            target=lambda: answers.append(
                client.post(f"{API}/score", files={"file": ("late.png", png(1))})
            )
        )
        asking.start()
        until(lambda: len(desk.queue) == 1, "an image that waits")
        desk.queue.close()
        model.gate.set()
        desk.worker.stop()
        asking.join(PATIENCE)
    assert answers[0].status_code == 503
    assert "stops" in answers[0].json()["error"]["message"]
