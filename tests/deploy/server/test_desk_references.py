"""A desk whose model compares with good images: ``faprompt serve --reference``."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from desks import API, client_of, finished_items, new_batch, png, send
from fastapi.testclient import TestClient
from PIL import Image

from faprompt.deploy.server.models import load_model
from faprompt.detection.detector import Detector
from faprompt.detection.fitting import REFERENCES
from faprompt.errors import ConfigError
from faprompt.runtime.description import RECORD

PART = np.arange(40 * 32, dtype=np.uint8).reshape(32, 40)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two good images."""
    paths = [tmp_path_factory.mktemp("good") / f"{value}.png" for value in (90, 120)]
    for path in paths:
        path.write_bytes(png(int(path.stem), (40, 32)))
    return paths


@pytest.fixture(scope="module")
def client(good: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A desk with the same checkpoint twice: few-shot, which is the default, and zero-shot."""
    models = load_model("tiny", references=good), load_model("tiny")
    with client_of(tmp_path_factory.mktemp("desk"), *models) as client:
        yield client


def scored(client: TestClient, **asked: Any) -> dict[str, Any]:
    """The part, looked at in a batch of its own."""
    buffer = io.BytesIO()
    Image.fromarray(PART).save(buffer, "PNG")
    batch = new_batch(client, **asked)
    send(client, batch, ("part.png", buffer.getvalue()))
    (item,) = finished_items(client, batch)
    return dict(item)


def test_scores_are_those_of_the_library_with_these_references(
    client: TestClient, good: list[Path]
) -> None:
    few_shot, zero_shot = client.get(f"{API}/models").json()["models"]
    assert (few_shot["references"], zero_shot["references"]) == (2, 0)
    assert few_shot["id"] != zero_shot["id"], "their scores do not compare"
    detector = Detector.load("tiny")
    for model, predictor in (
        (few_shot, detector.with_references(good)),
        (zero_shot, detector),
    ):
        expected = predictor.predict(PART).image_score
        assert scored(client, model=model["id"])["image_score"] == pytest.approx(expected, abs=1e-6)


def test_a_station_made_there_is_one_of_the_references(client: TestClient) -> None:
    few_shot, zero_shot = client.get(f"{API}/models").json()["models"]
    item = scored(client)
    label = {"items": [item["id"]], "label": "ok"}
    client.put(f"{API}/batches/{item['batch']}/labels", json=label)
    asked = {"name": "part", "batch": item["batch"], "false_alarms": 0.5}
    station = client.post(f"{API}/stations", json=asked).json()
    assert station["settings"].keys() == {REFERENCES}
    assert station["model"] == few_shot["id"], "the page offers it for this model alone"
    assert scored(client, station=station["id"])["decision"]["verdict"] == "OK"
    other = {"name": "batch", "station": station["id"], "model": zero_shot["id"]}
    reply = client.post(f"{API}/batches", json=other)
    assert reply.status_code == 422
    assert "calibrated with other settings (references_sha256 was" in reply.text
    asked |= {"model": zero_shot["id"]}
    assert "scored by another model" in client.post(f"{API}/stations", json=asked).text


def test_windows_do_not_go_together_with_references(client: TestClient) -> None:
    reply = client.post(f"{API}/batches", json={"name": "batch", "tile": "auto"})
    assert reply.status_code == 422
    assert "references are patches of whole images" in reply.json()["error"]["message"]


def test_an_exported_model_takes_no_references(good: list[Path], tmp_path: Path) -> None:
    (tmp_path / RECORD).touch()
    with pytest.raises(ConfigError, match="use the checkpoint it was exported from"):
        load_model(str(tmp_path), references=good)
