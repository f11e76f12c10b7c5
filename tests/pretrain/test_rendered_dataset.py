from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from faprompt.errors import DataError, OutputError
from faprompt.pretrain.dataset import render_dataset
from faprompt.pretrain.kinds import scenes_of
from faprompt.pretrain.photos import BANK_SIZE, load_photos
from faprompt.pretrain.renderer import Renderer


def test_layout_masks_and_repeatability(tmp_path: Path) -> None:
    written = render_dataset(tmp_path / "a", split="example", count=12, size=64, seed=2)
    render_dataset(tmp_path / "b", split="example", count=12, size=64, seed=2)
    assert (written.normal, written.anomalous) == (6, 6)
    classes = {path.name for path in written.folder.iterdir()}
    assert classes == {kind.name for kind in scenes_of("example", photos=False)}
    pictures = sorted((tmp_path / "a").rglob("*.jpg"))
    assert len(pictures) == 12
    for path in pictures:
        twin = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.read_bytes() == twin.read_bytes()
        if path.parent.name == "good":
            continue
        folder = path.parents[2] / "ground_truth" / path.parent.name
        mask = np.asarray(Image.open(folder / f"{path.stem}_mask.png"))
        assert mask.shape == Image.open(path).size == (64, 64)
        assert set(np.unique(mask)) == {0, 255}


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(OutputError, match="not empty; name a new folder"):
        render_dataset(tmp_path, split="train", count=2, size=32)


def photo_folder(root: Path) -> Path:
    numbers = np.random.default_rng(0)
    for group in ("material", "object", "scene"):
        (root / group).mkdir(parents=True)
        for name in ("a", "b"):
            pixels = numbers.integers(0, 255, (40, 50, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / group / f"{name}.png")
    return root


def test_photographs_are_read_by_group_and_bad_files_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = photo_folder(tmp_path)
    (folder / "object/broken.jpg").write_bytes(b"no picture")
    whole = (folder / "object/a.png").read_bytes()
    (folder / "object/cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "object/no-size.png").write_bytes(whole[:18] + bytes(12) + whole[30:])
    (folder / "object/huge.png").write_bytes(whole[:16] + b"\x7f" * 8 + whole[24:])
    (folder / "object/gone.png").symlink_to("nowhere")
    (folder / "object/folder.png").mkdir()
    bank = load_photos(folder)
    assert bank.pixels.shape == (6, 3, BANK_SIZE, BANK_SIZE)
    assert bank.names[0] == "material/a.png"
    assert {name: len(index) for name, index in bank.groups.items()} == {
        "material": 2,
        "object": 2,
        "scene": 2,
    }
    for name in ("broken.jpg", "cut.png", "no-size.png", "huge.png", "gone.png", "folder.png"):
        assert f"object/{name}: " in caplog.text


def test_crops_are_repeatable_and_from_the_groups_asked_for(tmp_path: Path) -> None:
    bank = load_photos(photo_folder(tmp_path))
    bank.pixels[bank.groups["scene"]] = 255
    crops = [bank.crops(3, 32, torch.Generator().manual_seed(1), ("scene",)) for _ in range(2)]
    assert torch.equal(crops[0], crops[1])
    assert_close(crops[0], torch.ones(3, 3, 32, 32))


def test_photo_kinds_are_rendered_with_photographs(tmp_path: Path) -> None:
    renderer = Renderer("train", photos=load_photos(photo_folder(tmp_path)))
    for scene in ("photo_surface", "photo_scene", "photo_object"):
        rendered = renderer.render_kind(1, 2, 64, scene=scene, defect="scratch")
        assert rendered.clean.shape == (2, 3, 64, 64)


def test_an_empty_folder_says_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no photographs; .* sub-folders named material, object"):
        load_photos(tmp_path)
