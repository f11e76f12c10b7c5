"""What slices, tissue and metal promise: normal pictures vary, defects reach real sizes."""

import pytest
import torch
from torch import Tensor

from faprompt.pretrain.camera import Camera
from faprompt.pretrain.canvas import Canvas
from faprompt.pretrain.faults import displaced
from faprompt.pretrain.kinds import Family, defects_of, scenes_of
from faprompt.pretrain.renderer import DEFECTS, SCENES, Renderer
from faprompt.pretrain.things import row

SIZE = 64


def canvas(count: int, seed: int = 0) -> Canvas:
    return Canvas(count, SIZE, torch.Generator().manual_seed(seed))


def shares(scene: str, defect: str, count: int = 48) -> Tensor:
    """Share of what can be damaged that the mask covers, of visible defects."""
    drawn = canvas(count, 3)
    where = SCENES[scene](drawn)
    _, soft = DEFECTS[defect](drawn, where)
    covered = ((soft > 0.25) & (where.foreground > 0.5)).float().sum(dim=(1, 2, 3))
    return covered / (where.foreground > 0.5).float().sum(dim=(1, 2, 3)).clamp(min=1)


def test_normal_slices_differ_in_contrast_and_in_field_of_view() -> None:
    levels, areas = [], []
    for seed in range(8):
        scene = SCENES["head_slice"](canvas(8, seed))
        area = scene.foreground.sum(dim=(1, 2, 3))
        levels.append((scene.image[:, :1] * scene.foreground).sum(dim=(1, 2, 3)) / area)
        areas.append(area / SIZE**2)
    level, area = torch.cat(levels), torch.cat(areas)
    assert float(level.std()) > 0.08
    assert float(area.min()) < 0.2
    assert float(area.max()) > 0.35


def test_a_slice_is_grey_after_the_camera_and_keeps_its_black_border() -> None:
    drawn = canvas(6, 2)
    scene = SCENES["head_slice"](drawn)
    shot = Camera(drawn, "scan").shoot(scene.image)
    assert float((shot - shot[:, :1]).abs().max()) == 0
    dark = shot[scene.image.expand_as(shot) == 0]
    assert float(dark.median()) < 0.1


@pytest.mark.parametrize(("scene", "defect"), [("head_slice", "mass"), ("wet_tissue", "polyp")])
def test_growths_reach_from_small_to_a_third(scene: str, defect: str) -> None:
    share = shares(scene, defect)
    assert float(share.min()) < 0.04
    assert 0.2 < float(share.max()) < 0.75


def test_large_soft_defects_cover_a_third_of_a_surface() -> None:
    for defect in ("uneven", "discolouration", "pits"):
        assert float(shares("ground", defect).max()) > 0.33, defect


def test_a_displaced_part_leaves_its_place_and_is_seen_at_another() -> None:
    drawn = canvas(6, 5)
    scene = row(drawn)
    assert scene.part is not None
    image, mask = displaced(drawn, scene)
    outside = (mask == 0).float()
    assert float(((image - scene.image).abs() * outside).max()) == 0
    gained = (mask > 0.5) & (scene.part < 0.02)
    assert bool(gained.flatten(1).any(dim=1).all())


def test_metal_is_mostly_seen_without_colour_and_tissue_with() -> None:
    drawn = canvas(64, 1)
    families: tuple[Family, ...] = ("metal", "wet", "scan")
    grey = {family: float(Camera(drawn, family).grey.mean()) for family in families}
    assert grey["wet"] < 0.2
    assert 0.4 < grey["metal"] < grey["scan"] == 1


def test_tissue_has_no_hard_shadows() -> None:
    drawn = canvas(64, 4)
    steepest = Camera(drawn, "wet").light.diff(dim=3).abs().amax()
    assert float(steepest) < float(Camera(drawn, "surface").light.diff(dim=3).abs().amax())


def test_clouds_are_smoother_than_the_fractal_of_the_same_slope() -> None:
    drawn = canvas(4, 6)
    clouds, fractal = drawn.clouds(1.5, 1.5), drawn.fractal(1.5, 1.5)
    assert clouds.shape == fractal.shape
    assert float(clouds.diff(dim=3).std()) < float(fractal.diff(dim=3).std())
    assert abs(float(clouds.std()) - 1) < 0.15


def test_about_half_of_the_training_scenes_are_made_of_photographs() -> None:
    kinds = scenes_of("train", photos=True)
    photo = sum(kind.weight for kind in kinds if kind.name.startswith("photo_"))
    assert 0.38 < photo / sum(kind.weight for kind in kinds) < 0.6


def test_metal_has_its_own_defects() -> None:
    names = {kind.name for kind in defects_of("metal")}
    assert {"blowhole", "pits", "fray", "uneven", "abrasion", "crack"} <= names
    assert "polyp" not in names


def test_most_new_defects_are_seen() -> None:
    renderer = Renderer("train")
    for scene, defect in (
        ("cast", "blowhole"),
        ("cylinder", "pits"),
        ("ground", "fray"),
        ("head_slice", "mass"),
        ("wet_tissue", "polyp"),
    ):
        rendered = renderer.render_kind(7, 12, SIZE, scene=scene, defect=defect)
        assert int(rendered.visible.sum()) >= 6, (scene, defect)
