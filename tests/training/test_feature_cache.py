"""Features on disk: computed once, found by content, whole or not there."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import micro_training
import pytest
import torch
from counting import forward_calls
from micro_training import SPEC, make_backbone
from safetensors.torch import save_file
from torch.testing import assert_close

from faprompt.clip.image_encoder import Reading
from faprompt.clip.weights import Backbone
from faprompt.data.hashing import content_hash
from faprompt.data.samples import Dataset
from faprompt.errors import DataError
from faprompt.files import write_tensors
from faprompt.training import feature_cache
from faprompt.training.examples import ExampleReader, files_of, labelled
from faprompt.training.feature_cache import (
    FeatureCache,
    Features,
    ImageTower,
    default_cache_root,
    hash_files,
)

backbone = micro_training.backbone
dataset = micro_training.dataset
folder = micro_training.folder
one_thread = micro_training.one_thread


@pytest.fixture
def tower(backbone: Backbone) -> ImageTower:
    return ImageTower(backbone, 64)


@pytest.fixture
def paths(dataset: Dataset) -> dict[str, Path]:
    return {content_hash(s.image_path): s.image_path for s in dataset.samples}


@pytest.fixture
def cache(tmp_path: Path, tower: ImageTower) -> FeatureCache:
    return FeatureCache(tmp_path / "cache", tower)


def assert_same(first: Features | None, second: Features | None) -> None:
    assert first is not None
    assert second is not None
    assert torch.equal(first.image, second.image)
    assert torch.equal(first.patches, second.patches)


def test_features_are_those_of_the_image_tower(
    cache: FeatureCache, tower: ImageTower, paths: dict[str, Path]
) -> None:
    assert cache.fill(paths, workers=0) == {}
    for image_hash, path in paths.items():
        dual = tower.backbone.clip.visual.dual(tower.read(path)[None])
        found = cache.load(image_hash)
        assert found is not None
        assert_close(found.image, dual.image[0], atol=1e-6, rtol=0)
        assert_close(found.patches, dual.patches()[0], atol=1e-6, rtol=0)


def test_the_second_fill_never_runs_the_tower(
    cache: FeatureCache, tower: ImageTower, paths: dict[str, Path]
) -> None:
    counted: list[int] = []
    with forward_calls(tower.backbone.clip.visual.conv1) as shapes:
        cache.fill(paths, workers=2, progress=counted.append)
        assert (len(shapes), sum(counted)) == (2, 10)
        cache.fill(paths, workers=2)
        FeatureCache(cache.folder.parent, tower).fill(paths, workers=2)
        assert len(shapes) == 2


def test_what_decides_the_features_is_in_the_key(tmp_path: Path, backbone: Backbone) -> None:
    bf16 = make_backbone()
    bf16.clip.bfloat16()
    towers = [
        ImageTower(backbone, 64),
        ImageTower(backbone, 96),
        ImageTower(make_backbone(seed=1), 64),
        ImageTower(bf16, 64),
    ]
    assert len({tower.key for tower in towers}) == 4
    assert ImageTower(make_backbone(), 64).key == towers[0].key
    assert towers[0].key.startswith("micro-")


READINGS = [Reading(blocks=(1, 2)), Reading(blocks=(2,)), Reading(ordinary=True)]


def test_faprompts_own_features_are_found_as_before_and_others_lie_elsewhere(
    backbone: Backbone,
) -> None:
    scale = backbone.clip.logit_scale
    parts = (1, backbone.checksum, 64, scale.dtype, "cpu")  # the key of the first release
    digest = hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
    towers = [ImageTower(backbone, 64, reading) for reading in READINGS]
    assert ImageTower(backbone, 64).key == f"micro-{digest}"
    assert len({tower.key for tower in towers} | {f"micro-{digest}"}) == 4


@pytest.mark.parametrize("reading", READINGS)
def test_what_else_is_read_comes_back(
    reading: Reading, backbone: Backbone, paths: dict[str, Path], tmp_path: Path
) -> None:
    cache = FeatureCache(tmp_path / "cache", ImageTower(backbone, 64, reading))
    cache.fill(paths, workers=0)
    for image_hash, path in paths.items():
        pixels = cache.tower.read(path)[None]
        visual = backbone.clip.visual
        dual = visual.dual(pixels, [1, 2])
        image, patches = dual.image, dual.patches(2)
        if reading.ordinary:
            image = visual(pixels)
            patches = dual.ordinary()[:, 1:]
        elif len(reading.blocks) == 2:
            patches = torch.stack([dual.patches(1), dual.patches(2)], dim=1)
        elif reading.blocks:
            patches = dual.patches(2)[:, None]
        found = cache.load(image_hash)
        assert found is not None
        assert_close(found.image, image[0], atol=1e-5, rtol=0)
        assert_close(found.patches, patches[0], atol=1e-5, rtol=0)
        size = cache.file(image_hash).stat().st_size
        assert 0 <= size - cache.tower.bytes_per_image < 512


def test_bf16_features_keep_their_precision(tmp_path: Path, paths: dict[str, Path]) -> None:
    bf16 = make_backbone()
    bf16.clip.bfloat16()
    cache = FeatureCache(tmp_path / "cache", ImageTower(bf16, 64))
    cache.fill(paths, workers=0)
    loaded = [cache.load(image_hash) for image_hash in paths]
    assert {f.patches.dtype for f in loaded if f} == {torch.bfloat16}


def test_a_moved_or_renamed_image_is_found_again(
    cache: FeatureCache, paths: dict[str, Path], tmp_path: Path
) -> None:
    cache.fill(paths, workers=0)
    moved = shutil.copy(next(iter(paths.values())), tmp_path / "elsewhere.png")
    assert cache.missing([content_hash(moved)]) == []


def test_bytes_per_image_is_what_lies_on_disk(cache: FeatureCache, paths: dict[str, Path]) -> None:
    cache.fill(paths, workers=0)
    sizes = {cache.file(image_hash).stat().st_size for image_hash in paths}
    assert all(0 <= size - cache.tower.bytes_per_image < 512 for size in sizes)  # a short header


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-7])


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _foreign(file: Path) -> None:
    save_file({"image": torch.zeros(16), "patches": torch.zeros(9, 16)}, file)


def _without_patches(file: Path) -> None:
    save_file({"image": torch.zeros(16)}, file)


@pytest.mark.parametrize("damage", [_truncate, _empty, _foreign, _without_patches, Path.unlink])
def test_a_damaged_file_is_mended(
    damage: Callable[[Path], None], cache: FeatureCache, dataset: Dataset, paths: dict[str, Path]
) -> None:
    cache.fill(paths, workers=0)
    image_hash = next(iter(paths))
    before = cache.load(image_hash)
    assert before is not None
    before = Features(before.image.clone(), before.patches.clone())  # the file goes away
    damage(cache.file(image_hash))
    assert cache.load(image_hash) is None
    hashes, _ = hash_files((p for s in dataset.samples for p in files_of(s)), workers=0)
    examples = labelled([dataset], hashes)
    wanted = [e for e in examples if e.image_hash == image_hash]
    ExampleReader(cache.tower, cache).features(wanted)
    assert_same(cache.load(image_hash), before)


def test_an_interrupted_fill_leaves_whole_files_and_goes_on(
    cache: FeatureCache, paths: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(99))

    def interrupted(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt
        write_tensors(path, tensors)

    monkeypatch.setattr(feature_cache, "write_tensors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.fill(paths, workers=2)
    monkeypatch.undo()
    files = [p for p in cache.folder.rglob("*") if p.is_file()]
    assert sorted(p.stem for p in files) == sorted(list(paths)[:3])
    cache.fill(paths, workers=2)
    uninterrupted = FeatureCache(tmp_path / "other", cache.tower)
    uninterrupted.fill(paths, workers=0)
    for image_hash in paths:
        assert_same(cache.load(image_hash), uninterrupted.load(image_hash))


def test_an_unreadable_image_does_not_stop_the_others(
    cache: FeatureCache, paths: dict[str, Path], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    failed = cache.fill({"0" * 64: bad} | paths, workers=2)
    assert list(failed) == ["0" * 64]
    assert isinstance(failed["0" * 64], DataError)
    assert "bad.png" in str(failed["0" * 64])
    assert cache.missing(paths) == []


def test_hashes_name_what_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    hashes, failed = hash_files([tmp_path / "a", tmp_path / "b", tmp_path / "a"], workers=2)
    assert hashes == {tmp_path / "a": content_hash(tmp_path / "a")}
    assert "b: not found; needed is a readable file" in str(failed[tmp_path / "b"])


def test_the_users_folder_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("FAPROMPT_CACHE", raising=False)
    assert default_cache_root() == tmp_path / "faprompt" / "features"
    monkeypatch.setenv("FAPROMPT_CACHE", str(tmp_path / "mine"))
    assert default_cache_root() == tmp_path / "mine"


def test_patches_of_the_micro_tower(tower: ImageTower) -> None:
    (features,) = tower.compute(torch.zeros(1, 3, 64, 64))
    assert (features.image.shape, features.patches.shape) == ((16,), (16, SPEC.embed_dim))
    assert tower.fits(features)
    assert not tower.fits(Features(features.image, features.patches[:4]))
    assert not tower.fits(Features(features.image.half(), features.patches))
