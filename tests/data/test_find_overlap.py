"""Images that two sets share are found by content and by look."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from faprompt.data.datasets import load_dataset
from faprompt.data.overlap import MAX_BITS, difference_hash, find_overlap
from faprompt.data.samples import Dataset


def photograph(seed: int, size: int = 96) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (size, size, 3), dtype=np.uint8)
    return Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(8)).point(lambda v: 4 * v - 384)


def folder(root: Path, images: dict[str, Image.Image]) -> Dataset:
    root.mkdir()
    for name, image in images.items():
        image.save(root / name, quality=60)
    return load_dataset(root)


def test_shared_images_are_found_and_others_are_not(tmp_path: Path) -> None:
    mine = folder(tmp_path / "a", {f"{i}.png": photograph(i) for i in range(20)})
    smaller = photograph(5).resize((50, 50))
    theirs = folder(
        tmp_path / "b",
        {"same.png": photograph(3), "smaller.jpg": smaller, "other.png": photograph(99)},
    )
    (tmp_path / "b" / "damaged.png").write_bytes(b"no image")
    theirs = load_dataset(tmp_path / "b")
    found = find_overlap([mine], theirs)
    assert [(p.auxiliary.name, p.target.name, p.kind) for p in found.pairs] == [
        ("3.png", "same.png", "content"),
        ("5.png", "smaller.jpg", "perceptual"),
    ]
    assert [path.name for path in found.unreadable] == ["damaged.png"]


def test_plain_images_have_no_look_but_a_content(tmp_path: Path) -> None:
    plain = Image.new("RGB", (40, 40), (90, 90, 90))
    assert difference_hash(plain) is None
    mine = folder(tmp_path / "a", {"x.png": plain, "y.png": plain.resize((50, 50))})
    theirs = folder(tmp_path / "b", {"z.png": plain, "w.png": plain.resize((60, 60))})
    assert [(p.target.name, p.kind) for p in find_overlap([mine], theirs).pairs] == [
        ("z.png", "content")
    ]


@pytest.mark.parametrize("seed", range(5))
def test_a_look_survives_saving_and_tells_pictures_apart(seed: int, tmp_path: Path) -> None:
    picture = photograph(seed, 128)
    picture.save(tmp_path / "a.jpg", quality=40)
    hashes = [
        difference_hash(Image.open(tmp_path / "a.jpg")),
        difference_hash(photograph(seed + 50)),
    ]
    bits = [
        int(np.bitwise_count(difference_hash(picture) ^ other).sum())  # type: ignore[operator]
        for other in hashes
    ]
    assert bits[0] <= MAX_BITS < 30 < bits[1]
