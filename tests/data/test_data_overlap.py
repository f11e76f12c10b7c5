"""Images on both sides: the same bytes, the same look, and what is neither."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from faprompt.data.overlap import MAX_DISTANCE, difference_hash, find_overlap, nearest
from faprompt.data.samples import Dataset, Sample


def picture(seed: int, size: int = 96) -> Image.Image:
    """A smooth random pattern: random grey cells, enlarged."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 9), dtype=np.uint8)
    return Image.fromarray(cells).resize((size, size), Image.Resampling.BILINEAR)


def dataset(root: Path, images: dict[str, Image.Image]) -> Dataset:
    root.mkdir()
    for name, image in images.items():
        image.save(root / name)
    samples = tuple(
        Sample(image_path=root / name, class_name="nut", label=0) for name in sorted(images)
    )
    return Dataset(name=root.name, layout="folder", root=root, samples=samples)


def test_same_content_and_same_look_are_told_apart(tmp_path: Path) -> None:
    first = dataset(tmp_path / "first", {"a.png": picture(1), "b.png": picture(2)})
    second = dataset(tmp_path / "second", {"c.png": picture(3)})
    target = dataset(
        tmp_path / "target",
        {
            "copy.png": picture(1),
            "smaller.jpg": picture(3).resize((60, 60)),
            "other.png": picture(4),
        },
    )
    found = find_overlap([first, second], target)
    [content] = found.of_kind("content")
    assert (content.auxiliary, content.target) == (
        first.root / "a.png",
        target.root / "copy.png",
    )
    [look] = found.of_kind("perceptual")
    assert (look.auxiliary, look.target) == (
        second.root / "c.png",
        target.root / "smaller.jpg",
    )
    assert content.distance == 0
    assert look.distance <= MAX_DISTANCE
    assert len(found.pairs) == 2


def test_damaged_images_are_named_and_cost_nothing_else(tmp_path: Path) -> None:
    auxiliary = dataset(tmp_path / "auxiliary", {"a.png": picture(1), "b.png": picture(2)})
    target = dataset(tmp_path / "target", {"a.png": picture(1)})
    (auxiliary.root / "b.png").write_bytes(b"")
    found = find_overlap([auxiliary], target)
    assert len(found.pairs) == 1
    [(path, reason)] = found.unreadable.items()
    assert path == auxiliary.root / "b.png"
    assert "is empty" in reason


def test_plain_images_have_no_look(tmp_path: Path) -> None:
    plain = [Image.new("L", (20, 20), grey) for grey in (10, 200)]
    assert [difference_hash(image) for image in plain] == [None, None]
    auxiliary = dataset(tmp_path / "auxiliary", {"a.png": plain[0]})
    assert not find_overlap([auxiliary], dataset(tmp_path / "t", {"b.png": plain[1]})).pairs
    assert not find_overlap([], auxiliary).pairs


def test_hash_golden_value() -> None:
    # By hand: 10 levels more from left to right in row 0, less in the others; each row as bright
    # as the one above or darker, but for the last, which is brighter in its first four cells.
    rising, falling = 40 + np.arange(9) * 10, 120 - np.arange(9) * 10
    cells = np.stack([rising + 80, *[falling] * 7, falling + np.repeat([20, -20], [4, 5])]).astype(
        np.uint8
    )
    words = difference_hash(Image.fromarray(cells))
    assert words is not None
    assert [int(word) for word in words] == [0xFF << 56, 0xF0]


@pytest.mark.parametrize("count", [1, 513])
def test_nearest_is_a_naive_search(count: int) -> None:
    rng = np.random.default_rng(0)
    hashes, among = (rng.integers(0, 2**64, size=(n, 2), dtype=np.uint64) for n in (count, 40))
    naive = [
        [sum((int(x) ^ int(y)).bit_count() for x, y in zip(a, b, strict=True)) for b in among]
        for a in hashes
    ]
    index, distance = nearest(hashes, among)
    assert index.tolist() == [row.index(min(row)) for row in naive]
    assert distance.tolist() == [min(row) for row in naive]
