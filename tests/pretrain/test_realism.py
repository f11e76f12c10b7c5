"""What slices, tissue and metal promise: normal pictures vary, defects reach real sizes."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from faprompt.pretrain.camera import Camera, developed
from faprompt.pretrain.canvas import Canvas
from faprompt.pretrain.faults import displaced
from faprompt.pretrain.kinds import Family, defects_of, scenes_of
from faprompt.pretrain.renderer import DEFECTS, SCENES, Renderer
from faprompt.pretrain.textures import surface
from faprompt.pretrain.things import row
from faprompt.pretrain.wear import grain_angle

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


def test_more_than_a_third_of_the_training_scenes_are_made_of_photographs() -> None:
    kinds = scenes_of("train", photos=True)
    photo = sum(kind.weight for kind in kinds if kind.name.startswith("photo_"))
    assert 1 / 3 < photo / sum(kind.weight for kind in kinds) < 0.6


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
        ("ground", "unfinished"),
        ("head_slice", "mass"),
        ("wet_tissue", "polyp"),
    ):
        rendered = renderer.render_kind(7, 12, SIZE, scene=scene, defect=defect)
        assert int(rendered.visible.sum()) >= 6, (scene, defect)


def test_an_unfinished_area_follows_the_grain() -> None:
    angle = torch.tensor([0.4, 2.0]).view(2, 1, 1, 1)
    lines = canvas(2, 4).fractal(0.1, 0.5, stretch=20.0, angle=angle).expand(-1, 3, -1, -1)
    found = grain_angle(surface(0.5 + 0.1 * lines))
    assert_close((2 * (found - angle)).cos(), torch.ones_like(angle), rtol=0, atol=0.03)


@pytest.mark.parametrize("name", ["threaded", "turned", "polished", "coil", "bearing"])
def test_shining_metal_reaches_white_beside_dark_while_nothing_is_wrong(name: str) -> None:
    scenes = [SCENES[name](canvas(8, seed)) for seed in range(4)]
    grey = torch.cat([scene.image.mean(dim=1).flatten(1) for scene in scenes])
    spread = grey.quantile(0.99, dim=1) - grey.quantile(0.05, dim=1)
    assert float(spread.max()) > 0.6, name
    assert float(spread.min()) < 0.4, name  # some are dull
    assert all(0 <= float(scene.image.min()) <= float(scene.image.max()) <= 1 for scene in scenes)


def test_pits_end_what_a_surface_mirrors() -> None:
    drawn = canvas(16, 4)
    scene = SCENES["threaded"](drawn)
    image, soft = DEFECTS["pits"](drawn, scene)
    deep = (soft > 0.9) & (scene.image.mean(dim=1, keepdim=True) > 0.7)
    assert float(deep.sum()) > 30  # there are highlights under pits
    lost = scene.image.mean(dim=1, keepdim=True) - image.mean(dim=1, keepdim=True)
    assert float(lost[deep].mean()) > 0.2


def test_bent_tones_rise_from_black_to_white() -> None:
    drawn = canvas(64, 6)
    ramp = torch.linspace(0, 1, 33).view(1, 1, 1, 33).expand(64, 3, 1, 33)
    wave, phase = drawn.uniform(1.5, 4.8), drawn.angle()
    bent = developed(ramp, drawn.uniform(0, 0.9), wave, phase)
    torch.testing.assert_close(bent[..., [0, -1]], ramp[..., [0, -1]], atol=1e-6, rtol=0)
    assert float(bent.diff(dim=-1).min()) > 0
    assert float((bent - ramp).abs().max()) > 0.1
