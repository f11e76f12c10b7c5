"""Rendering: repeatable, exact masks, twins that differ in the defect alone."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import max_pool2d
from torch.testing import assert_close

from faprompt.errors import ConfigError
from faprompt.pretrain.camera import LENS_REACH
from faprompt.pretrain.kinds import DEFECT_KINDS, SCENE_KINDS, defects_of, scenes_of
from faprompt.pretrain.renderer import DEFECTS, SCENES, Renderer, fade_reach

SIZE = 64
REACH = fade_reach(SIZE) + LENS_REACH + 8
"""Pixels beyond the mask: the soft outline, the lens and a compression block (8)."""

PAIRS = [
    (scene.name, defect.name)
    for scene in SCENE_KINDS
    if not scene.name.startswith("photo_")
    for defect in defects_of(scene.family)
]


def test_same_seed_same_pictures_other_seed_other_pictures() -> None:
    first, again, other = (Renderer("train").render(seed, 6, SIZE) for seed in (3, 3, 4))
    assert_close(first.damaged, again.damaged, rtol=0, atol=0)
    assert_close(first.clean, again.clean, rtol=0, atol=0)
    assert_close(first.mask, again.mask, rtol=0, atol=0)
    assert first.scenes == again.scenes
    assert first.defects == again.defects
    assert not torch.equal(first.damaged, other.damaged)


@settings(max_examples=12)
@given(seed=st.integers(0, 2**40), split=st.sampled_from(["train", "heldout", "example"]))
def test_twins_differ_inside_the_grown_mask_only(seed: int, split: str) -> None:
    rendered = Renderer(split).render(seed, 4, SIZE)  # type: ignore[arg-type]
    change = (rendered.damaged - rendered.clean).abs().amax(dim=1, keepdim=True)
    grown = max_pool2d(rendered.mask, 2 * REACH + 1, stride=1, padding=REACH)
    assert float((change * (1 - grown)).max()) == 0


@settings(max_examples=12)
@given(seed=st.integers(0, 2**40))
def test_pictures_are_stored_values_and_masks_are_binary(seed: int) -> None:
    rendered = Renderer("train").render(seed, 3, SIZE)
    for images in (rendered.damaged, rendered.clean):
        assert images.shape == (3, 3, SIZE, SIZE)
        assert 0 <= float(images.min()) <= float(images.max()) <= 1
        assert_close(images * 255, (images * 255).round(), rtol=0, atol=1e-3)
    assert set(rendered.mask.unique().tolist()) <= {0.0, 1.0}


def test_an_invisible_defect_is_a_normal_picture() -> None:
    rendered = Renderer("train").render(11, 48, SIZE)
    hidden = ~rendered.visible
    assert_close(rendered.damaged[hidden], rendered.clean[hidden], rtol=0, atol=0)
    assert float(rendered.visible.float().mean()) > 0.7


@pytest.mark.parametrize(("scene", "defect"), PAIRS)
def test_every_defect_of_every_scene_can_be_drawn(scene: str, defect: str) -> None:
    rendered = Renderer("train").render_kind(5, 2, 32, scene=scene, defect=defect)
    assert bool(torch.isfinite(rendered.damaged).all())
    assert rendered.scenes[0].name == scene
    assert rendered.defects[1].name == defect


def test_most_defects_are_seen_at_full_size() -> None:
    renderer = Renderer("heldout")
    seen = Counter[str]()
    for seed, defect in enumerate(defects_of("object")):
        rendered = renderer.render_kind(seed, 4, 96, scene="capsule", defect=defect.name)
        seen[defect.name] += int(rendered.visible.sum())
    assert [name for name, count in seen.items() if count == 0] == []


def test_no_kind_is_in_two_splits_and_each_split_has_some() -> None:
    names = [kind.name for kind in SCENE_KINDS]
    assert len(names) == len(set(names))
    counts = Counter(kind.split for kind in SCENE_KINDS)
    assert counts["example"] >= 3
    assert counts["heldout"] >= 5
    assert counts["train"] >= 15
    chosen = {s: {k.name for k in scenes_of(s, photos=True)} for s in ("train", "heldout")}
    both = chosen["train"] & chosen["heldout"]
    assert all(name.startswith("photo_") for name in both), "their photographs are split"


def test_every_kind_has_a_painter_and_every_family_a_defect() -> None:
    assert set(SCENES) == {kind.name for kind in SCENE_KINDS}
    assert set(DEFECTS) == {kind.name for kind in DEFECT_KINDS}
    assert all(defects_of(kind.family) for kind in SCENE_KINDS)


def test_one_kind_of_a_split_can_be_asked_for_and_no_other() -> None:
    rendered = Renderer("heldout", kind="coil").render(3, 4, SIZE)
    assert {kind.name for kind in rendered.scenes} == {"coil"}
    with pytest.raises(ConfigError, match="no kind 'threaded' of scenes in the split heldout; the"):
        Renderer("heldout", kind="threaded")


def test_one_kind_of_defect_can_be_asked_for_where_it_occurs() -> None:
    rendered = Renderer("heldout", defect="polyp").render(3, 4, SIZE)
    assert {kind.name for kind in rendered.scenes} == {"rugae"}
    assert {kind.name for kind in rendered.defects} == {"polyp"}
    with pytest.raises(ConfigError, match="no scene that is asked for can have a defect 'polyp'"):
        Renderer("heldout", kind="coil", defect="polyp")


def test_kinds_that_need_photographs_are_left_out_without_them() -> None:
    assert not [k.name for k in Renderer("train").kinds if k.name.startswith("photo_")]


def test_wrong_size_is_refused_with_the_rule() -> None:
    with pytest.raises(ConfigError, match=r"4 scenes of 60 pixels.*multiple of 8"):
        Renderer("train").render(0, 4, 60)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown split 'test'; known: train, heldout, example"):
        Renderer("test")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot render 'rust' on 'stone'"):
        Renderer("train").render_kind(0, 1, 32, scene="stone", defect="rust")
