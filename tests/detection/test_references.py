"""The reference memory: distances, calibration, what it adds, and nothing when it is off."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from micro import picture
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity
from torch.testing import assert_close

from faprompt.data.datasets import load_dataset
from faprompt.detection import references
from faprompt.detection.areas import Areas, counting_patches
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.look import Look
from faprompt.detection.references import (
    ReferenceMemory,
    by_class,
    distances,
    normalised,
    reference_images,
)
from faprompt.errors import ConfigError, DataError, FAPromptError
from faprompt.method.scoring import anomaly_map

GOOD = [picture(seed) for seed in range(3)]


def features(detector: Detector, *images: Image.Image) -> Tensor:
    return detector.patch_features(torch.stack([detector.read(image)[1] for image in images]))


@settings(max_examples=30)
@given(seed=st.integers(0, 2**31), patches=st.integers(1, 9), memory=st.integers(1, 9))
def test_distances_by_a_loop_in_any_pieces(seed: int, patches: int, memory: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, other = (normalised(torch.randn(n, 6, generator=generator)) for n in (patches, memory))
    expected = [min(1 - float(cosine_similarity(p, m, dim=0)) for m in other) for p in one]
    with pytest.MonkeyPatch.context() as patch:
        for pieces in (1 << 24, 2 * patches, 1):
            patch.setattr(references, "AT_ONCE", pieces)
            assert_close(distances(one, other), torch.tensor(expected), rtol=0, atol=1e-5)


def test_typical_is_the_mean_of_the_farthest_when_one_is_left_out(detector: Detector) -> None:
    memory = ReferenceMemory.of(detector, GOOD)
    patches = features(detector, *GOOD)
    assert_close(memory.patches, patches.flatten(0, 1))
    farthest = [
        distances(patches[i], torch.cat([patches[j] for j in range(3) if j != i])).max()
        for i in range(3)
    ]
    assert memory.typical == pytest.approx(float(sum(farthest)) / 3, rel=1e-5)
    assert memory.images == 3


def test_a_lone_reference_is_compared_with_its_corners(detector: Detector) -> None:
    image = picture(4, (64, 40))
    corners = [image.crop((x, y, x + 56, y + 35)) for y in (0, 5) for x in (0, 8)]
    whole = features(detector, image)[0]
    farthest = [float(distances(p, whole).max()) for p in features(detector, *corners)]
    memory = ReferenceMemory.of(detector, [image])
    assert memory.typical == pytest.approx(sum(farthest) / 4, rel=1e-5)


def test_evidence_is_nothing_at_a_reference_and_a_half_at_the_typical_distance() -> None:
    memory = ReferenceMemory(torch.tensor([[1.0, 0.0]]), typical=0.2, images=1, digest="")
    cosines = torch.tensor([1.0, 0.8, 0.4, -1.0])
    patches = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1)[None]
    expected = torch.tensor([[0.0, 0.5, 0.75, 2 / 2.2]])
    assert_close(memory.evidence(patches), expected, rtol=0, atol=1e-6)


def test_map_and_score_are_means_of_both(detector: Detector) -> None:
    few = detector.with_references(GOOD)
    assert few.memory is not None
    pixels = torch.stack([detector.read(picture(seed))[1] for seed in (7, 8)])
    dual = detector.backbone.clip.visual.dual(pixels)
    plain = detector.network(dual.image, dual.patches())
    evidence = few.memory.evidence(normalised(dual.patches()))
    scores, maps = few.score(pixels)
    assert_close(scores, (plain.image_score + evidence.amax(dim=1)) / 2)
    zero_shot = (plain.first[..., 1] + plain.second[..., 1]) / 2
    mean = (zero_shot + evidence) / 2
    assert_close(maps, anomaly_map(mean, mean, size=64, blur_sigma=2.0))


def test_off_is_as_before_to_the_bit(detector: Detector) -> None:
    before = detector.predict(picture(9))
    detector.with_references(GOOD).predict(picture(9))
    after = detector.predict(picture(9))
    assert detector.memory is None
    assert after.image_score == before.image_score
    assert np.array_equal(after.anomaly_map, before.anomaly_map)


def test_a_known_image_scores_below_a_new_one(detector: Detector) -> None:
    few = detector.with_references(GOOD)
    known, new = (
        few.predict(image).image_score - detector.predict(image).image_score / 2
        for image in (GOOD[0], picture(30))
    )
    assert known == pytest.approx(0, abs=1e-3)  # all its patches are in the memory
    assert new > 0.1


def test_what_does_not_count_is_neither_remembered_nor_compared(detector: Detector) -> None:
    """The left half counts; images that differ in the right half alone are as good as known."""
    areas = Areas.parse(["0,0 24,0 24,32 0,32"])
    memory = ReferenceMemory.of(detector, GOOD, areas=areas)
    keep = counting_patches(areas.counting((48, 32)), detector.grid)
    assert len(memory.patches) == 3 * keep.sum() == 3 * 8
    few = detector.with_references(GOOD, areas=areas)
    patches = features(detector, picture(11))
    assert few.memory is not None
    strongest = few.memory.evidence(patches)[0, torch.from_numpy(keep)].max()
    look = Look(areas=areas)
    zero_shot = detector.predict(picture(11), look=look).image_score
    found = few.predict(picture(11), look=look).image_score
    assert found == pytest.approx((zero_shot + float(strongest)) / 2, abs=1e-5)


def test_the_digest_is_of_the_pixels_in_any_order(detector: Detector, tmp_path: Path) -> None:
    GOOD[0].save(tmp_path / "a.png")
    digests = {
        ReferenceMemory.of(detector, sources).digest
        for sources in ([tmp_path / "a.png", GOOD[1]], [GOOD[1], GOOD[0]])
    }
    assert len(digests) == 1
    assert ReferenceMemory.of(detector, GOOD[1:]).digest not in digests


def test_an_image_that_comes_twice_counts_once(detector: Detector, tmp_path: Path) -> None:
    GOOD[0].save(tmp_path / "copy.png")
    once = ReferenceMemory.of(detector, GOOD)
    again = ReferenceMemory.of(detector, [*GOOD, tmp_path / "copy.png"])
    assert (again.images, again.typical, again.digest) == (3, once.typical, once.digest)
    assert torch.equal(again.patches, once.patches)


def broken(folder: Path) -> list[Any]:
    (folder / "bad.png").write_bytes(b"no image")
    return [GOOD[0], folder / "bad.png"]


@pytest.mark.parametrize(
    ("sources", "error", "message"),
    [
        (lambda _: [], DataError, "no reference images given; needed is at least one good image"),
        (broken, DataError, r"bad\.png: not an image"),
        (
            lambda _: [picture(i) for i in range(4)],
            ConfigError,
            "more than 3 reference images: that many have 48 patches of the 50 that are kept",
        ),
    ],
)
def test_unusable_references_are_named(
    sources: Callable[[Path], list[Any]],
    error: type[FAPromptError],
    message: str,
    detector: Detector,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(references, "MAX_PATCHES", 50)
    with pytest.raises(error, match=message):
        ReferenceMemory.of(detector, sources(tmp_path))


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(DataError, match="no images there; needed is a folder of a few good"):
            reference_images(folder)


def test_evaluation_takes_references_of_each_class(
    detector: Detector, folder: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(folder)
    (tmp_path / "good").mkdir()
    for i, image in enumerate(GOOD):
        image.save(tmp_path / "good" / f"{i}.bmp")
    chosen = by_class(detector, dataset, tmp_path / "good")
    assert tuple(chosen) == dataset.classes == ("part",)
    found = evaluate(chosen, dataset).classes[0]
    zero_shot = evaluate(detector, dataset).classes[0]
    assert [path for path, *_ in found.scores] == [path for path, *_ in zero_shot.scores]
    assert all(a[2] != b[2] for a, b in zip(found.scores, zero_shot.scores, strict=True))


def test_several_classes_need_a_folder_of_references_each(
    detector: Detector, folder: Path, tmp_path: Path
) -> None:
    root, good = tmp_path / "parts", tmp_path / "good"
    shutil.copytree(folder, root / "nut")
    shutil.copytree(folder, root / "bolt")
    for name, image in zip(("nut", "bolt"), GOOD, strict=False):
        (good / name).mkdir(parents=True)
        image.save(good / name / "good.bmp")
    chosen = by_class(detector, load_dataset(root), good)
    digests = {d.memory.digest for d in chosen.values() if isinstance(d, Detector) and d.memory}
    assert len(digests) == 2
    shutil.rmtree(good / "bolt")
    with pytest.raises(DataError, match="bolt: no images there"):
        by_class(detector, load_dataset(root), good)


def test_a_reference_that_is_evaluated_is_refused(
    detector: Detector, folder: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(folder)
    (tmp_path / "good").mkdir()
    copy = (folder / "test" / "good" / "0.png").read_bytes()
    (tmp_path / "good" / "copy.png").write_bytes(copy)
    with pytest.raises(DataError, match=r"copy\.png is also to be evaluated .*0\.png\): it would"):
        by_class(detector, dataset, tmp_path / "good")
