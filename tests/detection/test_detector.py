"""The detector: forms of input, order, batches, bounded memory, errors."""

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from counting import forward_calls
from micro import SPEC, picture
from PIL import Image
from stations import station

from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.detection.detector import Detector, model_file, to_original
from faprompt.errors import CheckpointError, DataError, FAPromptError, StationError
from faprompt.method.checkpoint import Header, build_network


def test_every_form_of_an_image_gives_the_same_answer(detector: Detector, tmp_path: Path) -> None:
    image = picture(1)
    image.save(tmp_path / "a.png")
    array = np.array(image)
    forms: list[Any] = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        image,
        array,
        torch.from_numpy(array).permute(2, 0, 1),
    ]
    scores = [detector.predict(form).image_score for form in forms]
    assert scores == [scores[0]] * 5


def test_map_has_the_original_size_and_range(detector: Detector) -> None:
    prediction = detector.predict(picture(2, (50, 31)))
    assert prediction.anomaly_map.shape == (31, 50)
    assert prediction.anomaly_map.dtype == np.float32
    assert 0 <= prediction.anomaly_map.min() <= prediction.anomaly_map.max() <= 1
    assert 0 <= prediction.image_score <= 1
    assert (prediction.path, prediction.image.size) == (None, (50, 31))


def test_grey_array_is_an_image(detector: Detector) -> None:
    grey = np.array(picture(3).convert("L"))
    rgb = detector.predict(np.stack([grey] * 3, axis=2))
    assert detector.predict(grey).image_score == rgb.image_score


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 2), (8, 4)])
def test_streams_keep_their_order_whatever_the_batch(
    detector: Detector, batch_size: int, workers: int
) -> None:
    images = [picture(i) for i in range(7)]
    alone = [detector.predict(image).image_score for image in images]
    stream = detector.predict(iter(images), batch_size=batch_size, workers=workers)
    assert [p.image_score for p in stream] == pytest.approx(alone, abs=1e-6)


def test_an_endless_stream_is_read_a_bounded_way_ahead(detector: Detector) -> None:
    taken = 0

    def endless() -> Iterator[Image.Image]:
        nonlocal taken
        for i in count():
            taken += 1
            yield picture(i % 3)

    stream = detector.predict(endless(), batch_size=2, workers=2)
    assert len(list(islice(stream, 4))) == 4
    assert taken <= 4 + 2 * 2
    stream.close()  # type: ignore[attr-defined]


def test_a_bad_image_costs_no_good_one(detector: Detector, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    failures: list[tuple[object, FAPromptError]] = []
    sources = [picture(0), tmp_path / "bad.png", picture(1)]
    stream = detector.predict(sources, on_error=lambda s, e: failures.append((s, e)))
    assert len(list(stream)) == 2
    assert failures[0][0] == tmp_path / "bad.png"
    with pytest.raises(DataError, match=r"bad\.png"):
        list(detector.predict(sources))


def test_text_tower_runs_once_per_batch_for_the_adapted_prompts(detector: Detector) -> None:
    block = detector.network.get_submodule("text_encoder.transformer.resblocks.0.mlp")
    with forward_calls(block) as shapes:
        list(detector.predict([picture(i) for i in range(4)], batch_size=2))
    assert shapes == [(20, 6, 32)] * 2


def test_map_resize_keeps_constants_and_own_size() -> None:
    constant = np.full((8, 8), 0.25, np.float32)
    assert np.allclose(to_original(constant, (30, 20)), 0.25)
    assert to_original(constant, (8, 8)).shape == (8, 8)


def test_missing_model_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such checkpoint; needed is 'tiny' or a file"):
        Detector.load(tmp_path / "none.safetensors")


def test_run_folder_means_its_best_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").touch()
    assert model_file(tmp_path) == tmp_path / "best.safetensors"


def test_prompts_of_another_backbone_are_refused(detector: Detector) -> None:
    header = Header(
        method=MethodConfig(), backbone="ViT-L-14-336", backbone_checksum="1" * 64, input_size=64
    )
    backbone = Backbone(detector.backbone.clip, SPEC, checksum="0" * 64, source="random")
    with pytest.raises(CheckpointError, match="learned on ViT-L-14-336, the backbone given is mic"):
        build_network(header, {}, backbone, path=Path("x.safetensors"))


def test_a_station_decides_and_another_model_is_refused(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detector, "station", None)  # the detector is shared: put back after this
    assert detector.predict(picture(1)).decision is None
    scores = [detector.predict(picture(seed)).image_score for seed in range(20)]
    own = station(scores, false_alarms=0.05, review_rate=0.5, **detector.identity)
    detector.use_station(own)
    found = detector.predict([picture(seed) for seed in (1, 2, 100)])
    for prediction in found:
        assert prediction.decision == own.decide(prediction.image_score)
    with pytest.raises(StationError, match="not for this one"):
        detector.use_station(station(scores, false_alarms=0.05))
    assert detector.station == own


def test_the_heap_is_trimmed_after_every_batch_of_large_towers_alone(
    detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    trims: list[None] = []
    monkeypatch.setattr("faprompt.detection.detector.trim", lambda: trims.append(None))
    images = [picture(i) for i in range(5)]
    list(detector.predict(images, batch_size=2))
    assert not trims
    monkeypatch.setattr("faprompt.detection.detector.TRIMMED_FROM", 1)
    large = Detector(detector.network, detector.backbone, detector.header)
    list(large.predict(images, batch_size=2))
    assert len(trims) == 3
