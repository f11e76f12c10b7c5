"""Stations on the desk: labels to thresholds, decisions, outlines, and back to their source."""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import API, GreyModel, client_of, finished_items, new_batch, png, send, served
from fastapi.testclient import TestClient
from graphs import small_detector
from patience import until
from PIL import Image

from faprompt.deploy.server import schemas
from faprompt.detection.calibration import calibrate
from faprompt.detection.decision import Scored
from faprompt.detection.look import Look
from faprompt.detection.score_axis import threshold_text
from faprompt.detection.station import Station
from faprompt.detection.tiling import Tiling

GOOD = [10 * n for n in range(19)]  # grey values of 19 good parts: enough for a rate of 0.05
ASKED = {"name": "nut", "false_alarms": 0.05, "review_rate": 0.2}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path / "desk", served(GreyModel())) as client:
        yield client


def labelled(client: TestClient, good: list[int], bad: list[int]) -> str:
    """A finished batch whose images have labels."""
    batch = new_batch(client)
    send(client, batch, *((f"{value}.png", png(value)) for value in [*good, *bad]))
    items = finished_items(client, batch)
    for label, some in (("ok", items[: len(good)]), ("ng", items[len(good) :])):
        values = {"items": [item["id"] for item in some], "label": label}
        reply = client.put(f"{API}/batches/{batch}/labels", json=values)
        assert {item["label"] for item in reply.json()["items"]} <= {label}
    return batch


def make(client: TestClient, **asked: Any) -> dict[str, Any]:
    reply = client.post(f"{API}/stations", json=ASKED | asked)
    assert reply.status_code == 201, reply.text
    return dict(reply.json())


def test_a_station_from_labels_has_the_thresholds_of_the_calibration(client: TestClient) -> None:
    batch = labelled(client, GOOD, [200, 240])
    station = make(client, batch=batch)
    schemas.Station.model_validate(station)
    scores = [value / 255 for value in GOOD]
    expected = calibrate(scores, scores, false_alarms=0.05, review_rate=0.2)
    assert station["threshold"] == pytest.approx(expected.threshold, abs=1e-6)
    assert station["review_threshold"] == pytest.approx(expected.review_threshold, abs=1e-6)
    assert station["pixel_threshold"] == pytest.approx(expected.pixel_threshold, abs=1e-6)
    assert (station["images"], station["anomalous_images"]) == (19, 2)
    assert station["miss_rates"]["not_ng"]["rate"] == 0
    assert client.get(f"{API}/stations").json() == {"stations": [station]}
    assert client.get(f"{API}/stations/{station['id']}").json() == station


def test_too_few_good_images_is_a_conflict_that_names_the_number(client: TestClient) -> None:
    batch = labelled(client, GOOD[:18], [])
    reply = client.post(f"{API}/stations", json={**ASKED, "batch": batch})
    assert reply.status_code == 409
    assert "needed are 19" in reply.json()["error"]["message"]
    unlabelled = new_batch(client)
    reply = client.post(f"{API}/stations", json={**ASKED, "batch": unlabelled})
    assert (reply.status_code, reply.json()["error"]["message"]) == (
        409,
        "no image is labelled ok; needed are 19: label good parts first",
    )


def test_an_image_counts_once_and_one_with_both_labels_not_at_all(client: TestClient) -> None:
    batch = labelled(client, [*GOOD, 0, 0, 77], [77, 250])
    station = make(client, batch=batch)
    assert (station["images"], station["anomalous_images"]) == (19, 1)


def test_decisions_follow_the_station_and_can_be_traced(client: TestClient) -> None:
    station = make(client, batch=labelled(client, GOOD, []))
    batch = new_batch(client, station=station["id"])
    values = [100, 160, 170, 180, 181, 255]
    send(client, batch, *((f"{value}.png", png(value)) for value in values))
    items = finished_items(client, batch)
    text = client.get(f"{API}/stations/{station['id']}/file").text
    judge = Station.from_text(text, where="download")
    for item in items:
        decision = judge.decide(item["image_score"])
        assert item["decision"] == {"verdict": decision.verdict, "margin": decision.margin}
        assert item["station"] == station["id"]
        assert item["model_sha256"] == judge.model_sha256 == "a" * 64
        assert item["region_threshold"] == judge.pixel_threshold
    verdicts = [item["decision"]["verdict"] for item in items]
    assert verdicts == ["OK", "UNSURE", "UNSURE", "UNSURE", "NG", "NG"]
    assert judge.sha256 == station["sha256"]


def test_another_station_judges_and_outlines_a_finished_batch_again(
    client: TestClient, tmp_path: Path
) -> None:
    content = np.full((20, 30), 50, np.uint8)
    content[5:9, 10:16] = 190
    buffer = io.BytesIO()
    Image.fromarray(content).save(buffer, "PNG")
    batch = new_batch(client)
    send(client, batch, ("part.png", buffer.getvalue()), ("dark.png", png(20)))
    before = finished_items(client, batch)[0]
    assert before["decision"] is None
    station = make(client, batch=labelled(client, GOOD, []))
    change = client.get(f"{API}/batches/{batch}").json()["change"]
    reply = client.patch(f"{API}/batches/{batch}", json={"station": station["id"]})
    assert reply.json()["station"] == station["id"]
    assert reply.json()["change"] > change
    part, dark = outlined(client, batch, station["pixel_threshold"])
    assert (part["decision"]["verdict"], dark["decision"]["verdict"]) == ("NG", "OK")
    (region,) = part["regions"]
    assert (region["box"], region["area"]) == ([10, 5, 6, 4], 24)
    client.patch(f"{API}/batches/{batch}", json={"station": None})
    part, _ = outlined(client, batch, 0.4)
    assert part["decision"] is None
    assert part["regions"] == before["regions"]
    assert client.patch(f"{API}/batches/{batch}", json={"name": "new"}).json()["name"] == "new"


def outlined(client: TestClient, batch: str, threshold: float) -> list[dict[str, Any]]:
    def found() -> list[dict[str, Any]] | None:
        items = finished_items(client, batch)
        return items if all(i["region_threshold"] == threshold for i in items) else None

    items: list[dict[str, Any]] = until(found, f"regions at {threshold}")
    return items


def test_prompts_of_regions_survive_another_station(tmp_path: Path) -> None:
    with client_of(tmp_path, served(small_detector())) as client:
        batch = new_batch(client)
        noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(noise).save(buffer, "PNG")
        send(client, batch, ("a.png", buffer.getvalue()))
        (item,) = finished_items(client, batch)
        assert item["regions"][0]["prompts"]
        client.app.state.desk.judge.outline_again(  # type: ignore[attr-defined]
            [item | {"colour_low": item["region_threshold"] + 1e-4, "colour_high": 1.0}], None
        )
        again = outlined(client, batch, item["region_threshold"] + 1e-4)[0]
    shares = [dict(i["regions"][0]["prompts"]) for i in (item, again)]
    assert shares[0] == pytest.approx(shares[1], abs=2e-3)


def test_stations_of_another_model_or_of_windows_are_refused(tmp_path: Path) -> None:
    models = served(GreyModel()), served(GreyModel(), "other", "b")
    with client_of(tmp_path, *models) as client:
        station = make(client, batch=labelled(client, GOOD, []))
        other = client.post(
            f"{API}/batches", json={"name": "x", "model": "other", "station": station["id"]}
        )
        windows = client.post(
            f"{API}/batches", json={"name": "x", "tile": "auto", "station": station["id"]}
        )
        nothing = client.post(f"{API}/batches", json={"name": "x", "station": "nothing"})
    assert (other.status_code, windows.status_code, nothing.status_code) == (422, 422, 404)
    assert "calibrated for the model aaaaaaaaaaaa" in other.json()["error"]["message"]
    assert "other settings (tiling" in windows.json()["error"]["message"]


def test_a_given_station_is_there_after_every_start_and_cannot_be_deleted(tmp_path: Path) -> None:
    scored = tuple(
        Scored(sha256=str(value), image_score=value / 255, peak=value / 255) for value in GOOD
    )
    station = Station(
        product="given",
        model_sha256="a" * 64,
        backbone="none",
        precision="float32",
        input_size=64,
        false_alarms=0.05,
        review_rate=0.2,
        normal=scored,
    )
    idents = []
    for _ in range(2):
        with client_of(tmp_path, served(GreyModel()), stations=[station]) as client:
            (found,) = client.get(f"{API}/stations").json()["stations"]
            assert client.delete(f"{API}/stations/{found['id']}").status_code == 409
            reply = client.post(
                f"{API}/score",
                files={"file": ("a.png", png(255))},
                data={"station": found["id"]},
            )
            assert reply.json()["decision"]["verdict"] == "NG"
            idents.append(found["id"])
    assert idents[0] == idents[1]


def test_a_station_goes_when_no_decision_rests_on_it(client: TestClient) -> None:
    station = make(client, batch=labelled(client, GOOD, []))
    batch = new_batch(client, station=station["id"])
    refused = client.delete(f"{API}/stations/{station['id']}")
    assert refused.status_code == 409
    client.delete(f"{API}/batches/{batch}")
    assert client.delete(f"{API}/stations/{station['id']}").status_code == 204
    assert client.get(f"{API}/stations/{station['id']}/file").status_code == 404


@pytest.mark.parametrize(
    "asked",
    [
        {"false_alarms": 0},
        {"false_alarms": 1.5},
        {"confidence": 1},
        {"review_rate": 0.01},
        {"items": []},
        {"name": ""},
        {"false_alarm": 0.1},
    ],
)
def test_wrong_wishes_are_refused(client: TestClient, asked: dict[str, Any]) -> None:
    batch = labelled(client, GOOD, [])
    reply = client.post(f"{API}/stations", json=ASKED | {"batch": batch} | asked)
    assert reply.status_code == 422


def test_images_of_a_batch_wait_again_for_another_model(tmp_path: Path) -> None:
    models = served(GreyModel()), served(GreyModel(), "other", "b")
    with client_of(tmp_path, *models) as client:
        first = labelled(client, [10, 20], [30])
        second = new_batch(client, model="other", images_of=first)
        items = finished_items(client, second)
        rows = client.get(f"{API}/batches/{first}/compare?other={second}").json()["rows"]
        client.delete(f"{API}/batches/{first}")
        picture = client.get(f"{API}/items/{items[0]['id']}/image?size=full")
    assert [item["label"] for item in items] == ["ok", "ok", "ng"]
    assert {item["model_sha256"] for item in items} == {"b" * 64}
    assert [row["label"] for row in rows] == ["ok", "ok", "ng"]
    assert picture.content == png(10)


def test_windows_find_what_the_whole_image_shows_too_small(tmp_path: Path) -> None:
    detector = small_detector()
    noise = np.random.default_rng(1).integers(0, 255, (150, 200, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    with client_of(tmp_path, served(detector)) as client:
        refused = client.post(f"{API}/batches", json={"name": "x", "tile": "large"})
        batch = new_batch(client, tile="64")
        send(client, batch, ("a.png", buffer.getvalue()))
        (item,) = finished_items(client, batch)
        reply = client.get(f"{API}/items/{item['id']}/map?size=full")
    assert refused.status_code == 422
    assert refused.json()["error"]["message"].startswith("tile must be 'auto' or a number")
    look = Look(responses=True, tiling=Tiling(tile=64))
    expected = next(detector.predict([Image.fromarray(noise)], look=look))
    assert item["image_score"] == pytest.approx(expected.image_score, abs=1e-5)
    stored = np.asarray(Image.open(io.BytesIO(reply.content))) / 65535
    assert np.abs(stored - np.asarray(expected.anomaly_map)).max() < 1e-4


def test_the_report_says_by_what_it_was_decided(client: TestClient) -> None:
    batch = labelled(client, GOOD, [200, 240])
    station = make(client, batch=batch, name="nut <1>")
    address = f"{API}/batches/{batch}"
    assert client.patch(address, json={"station": station["id"]}).status_code == 200
    text = client.get(f"{address}/export?format=html").text
    verdicts = [item["decision"]["verdict"] for item in finished_items(client, batch)]
    counts = ", ".join(f"{verdicts.count(one)} {one}" for one in ("OK", "UNSURE", "NG"))
    assert re.search(rf"21 images, made \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\. {counts}\.", text)
    assert text.index("<h2>NG ") < text.index("<h2>UNSURE ") < text.index("<h2>OK ")
    ng = threshold_text(station["threshold"])
    assert f"Station nut &lt;1&gt;: NG from {ng}, UNSURE from" in text
