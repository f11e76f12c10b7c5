"""The desk as a client sees it, with a model whose answers are known and with a real network."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import API, GreyModel, client_of, finished_items, new_batch, png, send, served
from fastapi.testclient import TestClient
from graphs import small_detector
from patience import PATIENCE, until
from PIL import Image

from faprompt.deploy.server import schemas
from faprompt.detection.look import Look
from faprompt.detection.regions import find_regions


@pytest.fixture
def model() -> GreyModel:
    return GreyModel()


@pytest.fixture
def client(tmp_path: Path, model: GreyModel) -> Iterator[TestClient]:
    with client_of(tmp_path / "desk", served(model)) as client:
        yield client


def picture(reply: Any) -> Image.Image:
    assert reply.status_code == 200, reply.text
    return Image.open(io.BytesIO(reply.content))


def test_a_bad_file_is_rejected_by_name_and_the_good_ones_beside_it_are_scored(
    client: TestClient,
) -> None:
    batch = new_batch(client, name="tiles")
    reply = send(client, batch, ("a.png", png(51)), ("notes.txt", b"hello"), ("b.png", png(255)))
    assert reply.status_code == 202
    assert [item["name"] for item in reply.json()["items"]] == ["a.png", "b.png"]
    (rejected,) = reply.json()["rejected"]
    assert rejected["name"] == "notes.txt"
    assert rejected["message"].startswith("not an image that can be read")
    items = finished_items(client, batch)
    assert [round(item["image_score"], 3) for item in items] == [0.2, 1.0]
    schemas.Batch.model_validate_json(client.get(f"{API}/batches/{batch}").text)


def test_an_image_cut_off_fails_alone(client: TestClient) -> None:
    noise = Image.effect_noise((64, 64), 90)
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    batch = new_batch(client)
    send(client, batch, ("cut.png", buffer.getvalue()[:1500]), ("good.png", png(0)))
    cut, good = finished_items(client, batch)
    assert (cut["status"], good["status"]) == ("failed", "done")
    assert cut["error"].startswith("image: damaged or cut off")
    reply = client.get(f"{API}/items/{cut['id']}/map")
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        409,
        "this image is failed; there is no map of it (yet)",
    )


def test_what_is_told_of_an_image_is_what_the_detector_says(tmp_path: Path) -> None:
    detector = small_detector()
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 255, (40, 60, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    expected = detector.predict(image)
    with client_of(tmp_path, served(detector)) as client:
        batch = new_batch(client)
        send(client, batch, ("a.png", buffer.getvalue()))
        (item,) = finished_items(client, batch)
        stored = np.asarray(picture(client.get(f"{API}/items/{item['id']}/map")))
        overlay = picture(client.get(f"{API}/items/{item['id']}/overlay?size=full"))
    assert item["image_score"] == pytest.approx(expected.image_score, abs=1e-6)
    assert np.abs(stored / 65535 - expected.anomaly_map).max() <= 0.5 / 65535 + 1e-6
    assert np.abs(np.asarray(overlay, int) - np.asarray(expected.overlay(), int)).max() <= 1
    assert item["model_sha256"] == "a" * 64
    look = Look(responses=True)
    responses = next(detector.predict([image], look=look)).responses
    regions = find_regions(expected.anomaly_map, 0.4, responses=responses)
    assert item["regions"] == [region.to_dict() for region in regions]
    assert len(item["regions"][0]["prompts"]) == 10


def test_regions_tell_prompts_and_leave_outlines_out_of_lists(client: TestClient) -> None:
    content = np.zeros((20, 30), np.uint8)
    content[5:9, 10:16] = 255
    buffer = io.BytesIO()
    Image.fromarray(content).save(buffer, "PNG")
    batch = new_batch(client)
    send(client, batch, ("a.png", buffer.getvalue()))
    (item,) = finished_items(client, batch)
    (region,) = item["regions"]
    assert (region["box"], region["area"], region["peak"]) == ([10, 5, 6, 4], 24, 1.0)
    assert [10, 5] in region["polygon"]
    assert item["region_threshold"] == 0.4
    (row,) = client.get(f"{API}/batches/{batch}/items").json()["items"]
    assert row["regions"][0] == region | {"polygon": None}
    mask = np.asarray(picture(client.get(f"{API}/items/{item['id']}/mask?threshold=0.5")))
    assert ((mask == 255) == (content == 255)).all()


def test_polling_tells_every_change_once(client: TestClient, model: GreyModel) -> None:
    batch = new_batch(client)
    model.gate.clear()
    send(client, batch, *((f"{n}.png", png(n)) for n in range(3)))
    assert model.busy.wait(PATIENCE)
    seen: dict[str, str] = {}
    change = 0

    def poll() -> bool:
        nonlocal change
        reply = client.get(f"{API}/batches/{batch}/items?after={change}&limit=2").json()
        assert reply["change"] >= change
        change = reply["change"]
        for item in reply["items"]:
            seen[item["id"]] = item["status"]
        return not reply["more"]

    until(poll, "the end of the changes")
    assert len(seen) == 3
    model.gate.set()
    until(lambda: poll() and set(seen.values()) == {"done"}, "three finished items")
    assert client.get(f"{API}/batches/{batch}/items?after={change}").json()["items"] == []


def test_scoring_at_once_keeps_nothing(client: TestClient, tmp_path: Path) -> None:
    reply = client.post(f"{API}/score", files={"file": ("a.png", png(102))})
    assert reply.status_code == 200
    item = schemas.Item.model_validate(reply.json())
    assert (item.id, item.status) == (None, "done")
    assert item.image_score == pytest.approx(0.4)
    text = base64.b64encode(png(102)).decode()
    again = client.post(f"{API}/score", json={"image": text, "name": "b.png"}).json()
    assert (again["name"], again["sha256"]) == ("b.png", item.sha256)
    assert [path.name for path in (tmp_path / "desk").rglob("*") if path.is_file()] == (
        [path.name for path in (tmp_path / "desk").glob("desk.*")]
    )


def test_scoring_into_a_batch_keeps_image_and_result(client: TestClient) -> None:
    batch = new_batch(client)
    reply = client.post(f"{API}/score", files={"file": ("a.png", png(255))}, data={"batch": batch})
    (item,) = finished_items(client, batch)
    assert reply.json()["id"] == item["id"]
    assert client.get(f"{API}/items/{item['id']}/image?size=full").content == png(255)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"files": {"file": ("a.png", b"no")}}, "not an image"),
        ({"files": {"file": ("a.png", b"")}}, "is empty"),
        ({"json": {"image": "?"}}, "image: not base64"),
        ({"json": {"img": ""}}, "image: Field required"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, "Invalid JSON"),
        ({"files": {"file": ("a.png", png(1))}, "data": {"tiles": "3"}}, "unknown field"),
        ({"files": {"file": ("a.png", png(1))}, "data": {"model": "x"}}, "no such model"),
        ({"files": [("file", ("a", png(1))), ("file", ("b", png(1)))]}, "needed is one, got 2"),
    ],
)
def test_scoring_says_what_is_wrong(
    client: TestClient, request_: dict[str, Any], message: str
) -> None:
    reply = client.post(f"{API}/score", **request_)
    assert reply.status_code in {404, 422}
    assert message in reply.json()["error"]["message"]
    schemas.ErrorReply.model_validate(reply.json())


def test_many_images_come_within_json_and_a_bad_one_costs_itself(
    client: TestClient, tmp_path: Path
) -> None:
    batch = new_batch(client)
    images = [
        {"image": base64.b64encode(png(value)).decode(), "name": f"{value}.png"}
        for value in (51, 102)
    ]
    odd = [{"image": "?", "name": "odd"}, {"image": "", "name": "empty"}, {"image": "eA=="}]
    place = f"{API}/batches/{batch}/images"
    reply = client.post(place, json={"images": [images[0], *odd, images[1]]})
    assert reply.status_code == 202
    schemas.UploadReply.model_validate(reply.json())
    assert [each["name"] for each in reply.json()["items"]] == ["51.png", "102.png"]
    rejected = {each["name"]: each["message"] for each in reply.json()["rejected"]}
    assert rejected["odd"] == "image: not base64"
    assert rejected["empty"] == "is empty (0 bytes)"
    assert "not an image" in rejected["image"]
    scores = [item["image_score"] for item in finished_items(client, batch)]
    assert scores == pytest.approx([0.2, 0.4])
    again = client.post(place, params={"unique": True}, json={"images": images}).json()
    assert [each["status"] for each in again["items"]] == ["done", "done"]
    assert len(finished_items(client, batch)) == 2
    assert not list((tmp_path / "desk" / "incoming").iterdir())


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"images": "x"}, 422, "images: Input should be a valid array"),
        ({"images": [{"name": "a"}]}, 422, "images.0.image: Field required"),
        ({"images": [{"image": ""}] * 3}, 413, "more than 2 files in one request"),
        ({"images": [{"image": "A" * 70_000}]}, 413, "send fewer images"),
    ],
)
def test_json_that_is_not_images_is_refused(
    tmp_path: Path, body: dict[str, Any], status: int, message: str
) -> None:
    with client_of(tmp_path / "desk", served(GreyModel()), files=2, file_bytes=1000) as client:
        reply = client.post(f"{API}/batches/{new_batch(client)}/images", json=body)
    assert reply.status_code == status
    assert message in reply.json()["error"]["message"]


def test_labels_are_kept_and_taken_back(client: TestClient) -> None:
    batch = new_batch(client)
    send(client, batch, ("a.png", png(1)))
    (item,) = finished_items(client, batch)
    for label in ("ng", "ok", None):
        reply = client.put(f"{API}/items/{item['id']}/label", json={"label": label})
        assert reply.json()["label"] == label
        assert client.get(f"{API}/items/{item['id']}").json()["label"] == label
    assert client.put(f"{API}/items/{item['id']}/label", json={"label": "bad"}).status_code == 422


def test_cancelling_spares_the_model_what_waits(client: TestClient, model: GreyModel) -> None:
    batch = new_batch(client)
    model.gate.clear()
    send(client, batch, ("first.png", png(0)))
    assert model.busy.wait(PATIENCE)
    send(client, batch, *((f"{n}.png", png(n)) for n in range(1, 6)))
    reply = client.post(f"{API}/batches/{batch}/cancel").json()
    assert (reply["counts"]["cancelled"], reply["counts"]["running"]) == (5, 1)
    model.gate.set()
    statuses = [item["status"] for item in finished_items(client, batch)]
    assert sorted(statuses) == ["cancelled"] * 5 + ["done"]
    assert client.get(f"{API}/batches/{batch}").json()["status"] == "cancelled"
    send(client, batch, ("more.png", png(9)))
    assert finished_items(client, batch)[-1]["status"] == "done"


def test_deleting_removes_pictures_that_nobody_else_has(client: TestClient, tmp_path: Path) -> None:
    first, second = new_batch(client), new_batch(client)
    send(client, first, ("shared.png", png(1)), ("own.png", png(2)))
    send(client, second, ("shared.png", png(1)))
    finished_items(client, first)
    (kept,) = finished_items(client, second)
    assert client.delete(f"{API}/batches/{first}").status_code == 204
    assert client.get(f"{API}/batches/{first}").status_code == 404
    desk = tmp_path / "desk"
    assert [path.name for path in (desk / "images").rglob("*.*")] == []
    assert [p.name for p in (desk / "images").rglob("*") if p.is_file()] == [kept["sha256"]]
    assert [p.name for p in (desk / "maps").rglob("*") if p.is_file()] == [kept["id"]]
    assert client.delete(f"{API}/items/{kept['id']}").status_code == 204
    assert not [p for p in (desk / "images").rglob("*") if p.is_file()]


def test_deleting_a_batch_at_the_model_leaves_nothing(tmp_path: Path) -> None:
    class Deleting(GreyModel):
        def predict(self, source: Any, **options: Any) -> Iterator[Any]:
            for one in super().predict(source, **options):
                client.delete(f"{API}/batches/{batch}")
                yield one

    with client_of(tmp_path / "desk", served(Deleting())) as client:
        batch = new_batch(client)
        send(client, batch, ("a.png", png(1)))
        client.post(f"{API}/score", files={"file": ("next.png", png(2))})
        left = [p for p in (tmp_path / "desk").rglob("*") if p.is_file()]
    assert {p.name.split(".")[0] for p in left} == {"desk"}


def test_two_models_are_compared_image_by_image(tmp_path: Path) -> None:
    class Inverse(GreyModel):
        def predict(self, source: Any, **options: Any) -> Iterator[Any]:
            from dataclasses import replace

            for one in super().predict(source, **options):
                yield replace(one, image_score=1 - one.image_score)

    models = served(GreyModel()), served(Inverse(), "inverse", "b")
    with client_of(tmp_path, *models) as client:
        first, second = new_batch(client), new_batch(client, model="inverse")
        send(client, first, ("a", png(0)), ("b", png(51)), ("b again", png(51)), ("alone", png(9)))
        send(client, second, ("c", png(51)), ("d", png(0)))
        finished_items(client, first)
        finished_items(client, second)
        rows = client.get(f"{API}/batches/{first}/compare?other={second}").json()["rows"]
    assert [
        (r["name"], round(r["image_score"], 2), round(r["other_image_score"], 2)) for r in rows
    ] == [
        ("a", 0.0, 1.0),
        ("b", 0.2, 0.8),
    ]


def test_a_retried_upload_adds_nothing_where_asked(client: TestClient) -> None:
    batch = new_batch(client)
    first = send(client, batch, ("a.png", png(1)), unique=True).json()["items"]
    finished_items(client, batch)
    again = send(client, batch, ("a.png", png(1)), ("b.png", png(1)), unique=True).json()["items"]
    assert again[0]["id"] == first[0]["id"]
    assert len(finished_items(client, batch)) == 2


def test_pictures_have_the_asked_size(client: TestClient) -> None:
    batch = new_batch(client)
    send(client, batch, ("a.png", png(128, (2000, 500))))
    (item,) = finished_items(client, batch)
    sizes = {
        (kind, size): picture(client.get(f"{API}/items/{item['id']}/{kind}?size={size}")).size
        for kind in ("image", "map", "overlay")
        for size in ("thumb", "view", "full")
    }
    assert sizes == {
        ("image", "thumb"): (256, 64),
        ("image", "view"): (1600, 400),
        ("image", "full"): (2000, 500),
        ("map", "thumb"): (256, 64),
        ("map", "view"): (1024, 256),
        ("map", "full"): (2000, 500),
        ("overlay", "thumb"): (256, 64),
        ("overlay", "view"): (1600, 400),
        ("overlay", "full"): (2000, 500),
    }


def test_two_desks_know_nothing_of_each_other(tmp_path: Path) -> None:
    with client_of(tmp_path / "1", served(GreyModel())) as one:
        batch = new_batch(one)
        send(one, batch, ("a.png", png(1)))
        (item,) = finished_items(one, batch)
        with client_of(tmp_path / "2", served(GreyModel())) as two:
            for path in (f"batches/{batch}", f"items/{item['id']}", f"items/{item['id']}/image"):
                assert two.get(f"{API}/{path}").status_code == 404
            assert two.get(f"{API}/batches").json() == {"batches": []}
    assert len(batch) == len(item["id"]) == 22


def test_the_document_describes_every_route_and_refers_to_no_other_host(
    client: TestClient,
) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    paths = set(document["paths"])
    for path in ("batches/{batch}/images", "score", "items/{item}/map", "models", "health"):
        assert f"{API}/{path}" in paths
    for path in ("score", "batches/{batch}/images"):
        body = document["paths"][f"{API}/{path}"]["post"]["requestBody"]["content"]
        assert set(body) == {"multipart/form-data", "application/json"}
    assert "http" not in client.get("/").text.replace("http-equiv", "")


def test_the_document_says_what_everything_means(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    silent: list[str] = []
    for path, methods in document["paths"].items():
        for operation in methods.values():
            if not operation.get("description"):
                silent.append(path)
            parameters = {each["name"]: each for each in operation.get("parameters", ())}
            silent += undescribed(path, {"properties": parameters})
            for body in operation.get("requestBody", {}).get("content", {}).values():
                silent += undescribed(path, body["schema"])
    for name, schema in document["components"]["schemas"].items():
        silent += undescribed(name, schema)
    assert not silent
    assert {tag["name"] for tag in document["tags"]} == {
        tag for methods in document["paths"].values() for each in methods.values()
        for tag in each["tags"]
    }  # fmt: skip


def undescribed(name: str, schema: dict[str, Any]) -> list[str]:
    """Fields of an object that nothing is said of."""
    return [
        f"{name}.{field}"
        for field, value in schema.get("properties", {}).items()
        if not value.get("description")
    ]


@pytest.mark.parametrize("key", [None, "a key of 16 letters"])
def test_the_document_says_where_a_key_is_needed(tmp_path: Path, key: str | None) -> None:
    with client_of(tmp_path, served(GreyModel()), key=key) as client:
        headers = {"Authorization": f"Bearer {key}"}
        document = client.get("/openapi.json", headers=headers).json()
        assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
        for path, methods in document["paths"].items():
            if "get" in methods and "{" not in path:
                ways = methods["get"].get("security", document["security"])
                assert (client.get(path).status_code == 200) == (not ways or {} in ways)


def test_programs_get_short_names_for_the_routes(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = [each["operationId"] for way in document["paths"].values() for each in way.values()]
    assert {"score", "send_images", "list_items"} <= set(names)
    assert len(set(names)) == len(names)


def test_health_and_figures(client: TestClient) -> None:
    client.post(f"{API}/score", files={"file": ("a.png", png(1))})
    health = schemas.Health.model_validate(client.get(f"{API}/health").json())
    assert (health.model, health.queue.waiting, health.queue.limit) == ("grey", 0, 1000)
    text = client.get("/metrics").text
    assert 'faprompt_images_total{status="done"} 1.0' in text
    assert 'faprompt_requests_total{method="POST",status="200"} 1.0' in text
    assert "faprompt_waiting_images 0.0" in text
    assert client.get(f"{API}/limits").json()["files"] == 256
