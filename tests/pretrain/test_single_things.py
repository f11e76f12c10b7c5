"""Single things on plain ground: flawless ones are normal, what lies alone beside them is small."""

from random import Random

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from faprompt.pretrain.canvas import Canvas
from faprompt.pretrain.captions import NORMAL_STATES, normal_caption
from faprompt.pretrain.defects import LONE, plain
from faprompt.pretrain.kinds import SCENE_KINDS, defects_of
from faprompt.pretrain.laying import plain_ground
from faprompt.pretrain.renderer import DEFECTS, SCENES, Renderer
from faprompt.pretrain.textures import surface

SIZE = 96
SINGLES = [k for k in SCENE_KINDS if k.family == "single" and not k.name.startswith("photo_")]
NAMES = [kind.name for kind in SINGLES]
ON_THE_THING = {kind.name for kind in defects_of("single")} - {"foreign", "fibre"}


def canvas(count: int, seed: int = 0) -> Canvas:
    return Canvas(count, SIZE, torch.Generator().manual_seed(seed))


def pieces(mask: Tensor) -> tuple[float, float]:
    """Width and height of a mask (S, S), as shares of the side."""
    rows, columns = torch.nonzero(mask, as_tuple=True)
    return (float(rows.max() - rows.min() + 1) / SIZE, float(columns.max() - columns.min()) / SIZE)


def test_some_single_things_train_and_others_are_held_out() -> None:
    splits = {
        split: [k.name for k in SINGLES if k.split == split] for split in ("train", "heldout")
    }
    assert len(splits["train"]) >= 5
    assert splits["heldout"] == ["shell", "bead"]


@pytest.mark.parametrize("name", NAMES)
def test_things_are_of_all_sizes_and_do_not_fill_the_picture(name: str) -> None:
    share = torch.cat(
        [SCENES[name](canvas(4, seed)).foreground.mean(dim=(1, 2, 3)) for seed in range(8)]
    )
    assert float(share.max()) < 0.8
    assert 0.003 < float(share.min()) < 0.12


@pytest.mark.parametrize("name", NAMES)
def test_a_flawless_thing_has_an_empty_mask_and_a_caption_without_defect(name: str) -> None:
    rendered = Renderer("train").render_kind(3, 12, SIZE, scene=name, defect="stain")
    hidden = ~rendered.visible
    assert_close(rendered.damaged[hidden], rendered.clean[hidden], rtol=0, atol=0)
    kind = next(k for k in SINGLES if k.name == name)
    words = {w for seed in range(40) for w in normal_caption(kind, Random(seed)).strip(".").split()}
    assert words & set(NORMAL_STATES)
    assert not words & {w for d in defects_of("single") for w in d.states}


@pytest.mark.parametrize("defect", sorted(ON_THE_THING))
def test_a_defect_of_a_thing_lies_within_that_thing(defect: str) -> None:
    drawn = canvas(6, 5)
    scene = SCENES["kernel"](drawn)
    assert scene.part is not None
    thing = scene.part
    scene.foreground, scene.part = thing, None
    _, soft = DEFECTS[defect](drawn.zoomed(thing), scene)
    assert float(((soft > 0.25) & (thing == 0)).sum()) == 0


@pytest.mark.parametrize("defect", ["crack", "cut", "bite", "mould", "blot", "hole", "lump"])
def test_defects_of_things_are_seen_and_leave_some_of_the_thing(defect: str) -> None:
    rendered = Renderer("train").render_kind(9, 12, SIZE, scene="fruit", defect=defect)
    assert int(rendered.visible.sum()) >= 8


def test_a_zoomed_canvas_is_centred_on_the_thing_and_measures_it() -> None:
    drawn = canvas(1)
    thing = ((drawn.x - 0.4).square() + (drawn.y + 0.2).square() < 0.25**2).float()
    near = drawn.zoomed(thing)
    radius = (near.x.square() + near.y.square()).sqrt()
    assert_close(float((radius * thing).max()), 1.0, atol=0.05, rtol=0)
    assert_close(float(near.unit), 0.25, atol=0.01, rtol=0)


@pytest.mark.parametrize("defect", ["lump", "patch"])
def test_what_lies_alone_on_plain_ground_is_small(defect: str) -> None:
    for seed in range(6):
        drawn = canvas(1, seed)
        scene = surface(plain_ground(drawn, torch.zeros(1, 1, 1, 1)).clamp(0.1, 0.9))
        if not float(plain(scene)):
            continue
        image, soft = DEFECTS[defect](drawn, scene)
        strong = (image - scene.image).abs().mean(dim=1)[0] > 0.12
        if bool(((soft[0, 0] > 0.5) & strong).any()):
            assert max(pieces((soft[0, 0] > 0.5) & strong)) < 3 * LONE


def test_a_foreign_body_lies_beside_the_things_and_is_small() -> None:
    for seed in range(6):
        drawn = canvas(4, seed)
        scene = SCENES["tablet"](drawn)
        _, soft = DEFECTS["foreign"](drawn, scene)
        assert float(((soft > 0.25) & (scene.foreground > 0.9)).sum()) == 0
        assert float((soft > 0.25).float().mean(dim=(1, 2, 3)).max()) < 0.03


def test_a_frayed_border_stays_beside_the_border() -> None:
    drawn = canvas(8, 2)
    scene = SCENES["faced"](drawn)
    assert scene.zones is not None
    image, soft = DEFECTS["fray"](drawn, scene)
    assert bool(torch.isfinite(image).all())
    near = (scene.zones.beyond.abs() < 0.45).float()
    assert float(((soft > 0.25) * near).sum()) > 0
    unchanged = (image - scene.image).abs().amax(dim=1, keepdim=True) * (soft < 1e-3)
    assert float(unchanged.max()) < 0.05
