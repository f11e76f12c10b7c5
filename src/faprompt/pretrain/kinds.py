"""What is rendered: kinds of scenes and of defects, their words, and who may see which.

The one place that says which kinds train ``tiny`` and its prompts, which choose between recipes,
and which are kept for the example images that the demo scores. No torch here.
"""

from dataclasses import dataclass
from typing import Literal, get_args

from faprompt.errors import ConfigError

Split = Literal["train", "heldout", "example"]
Family = Literal["surface", "metal", "object", "parts", "single", "scan", "wet", "photo"]


@dataclass(frozen=True, slots=True)
class SceneKind:
    """One kind of scene: its split, the defects it can have, its words and how often it comes."""

    name: str
    split: Split
    family: Family
    nouns: tuple[str, ...]
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class DefectKind:
    """One kind of defect: the scenes it happens to, and its words."""

    name: str
    families: tuple[Family, ...]
    states: tuple[str, ...]
    """Adjectives of the damaged thing: "a scratched object"."""
    nouns: tuple[str, ...]
    """What is there: "an object with a scratch"."""
    weight: float = 1.0
    """How often it comes; less for what often cannot be told from what is normal."""


_SOLID: tuple[Family, ...] = ("surface", "metal", "object", "parts", "photo")
_ANY: tuple[Family, ...] = (*_SOLID, "single")
_HARD: tuple[Family, ...] = ("surface", "metal", "object", "photo")
_THINGS: tuple[Family, ...] = ("object", "parts")
_SINGLE: tuple[Family, ...] = ("single",)
_BODY: tuple[Family, ...] = ("scan", "wet")

SCENE_KINDS = (
    SceneKind("stone", "train", "surface", ("stone", "rock", "concrete", "plaster")),
    SceneKind("granite", "train", "surface", ("granite", "terrazzo", "grains")),
    SceneKind("wood", "train", "surface", ("wood", "plank", "board")),
    SceneKind("brushed", "train", "surface", ("metal", "steel", "brushed metal"), 2.0),
    SceneKind("ground", "train", "metal", ("metal", "steel", "sheet", "plate"), 3.0),
    SceneKind("faced", "train", "metal", ("metal", "steel", "tile", "plate"), 1.5),
    SceneKind("cylinder", "train", "metal", ("cylinder", "shaft", "metal", "rail"), 1.0),
    SceneKind("cast", "train", "metal", ("casting", "metal", "ceramic", "tile"), 3.0),
    SceneKind("glazed", "train", "metal", ("tile", "ceramic", "plate", "metal"), 1.0),
    SceneKind("threaded", "train", "metal", ("thread", "screw", "spindle", "metal"), 3.5),
    SceneKind("turned", "train", "metal", ("turned part", "disc", "metal", "steel"), 1.5),
    SceneKind("rotor", "train", "metal", ("wheel", "ring", "rotor", "metal"), 1.5),
    SceneKind("polished", "train", "metal", ("metal", "chrome", "steel", "moulding"), 2.0),
    SceneKind("painted", "train", "surface", ("paint", "plastic", "coating", "paper"), 1.5),
    SceneKind("grating", "train", "surface", ("grating", "stripes", "corrugated sheet")),
    SceneKind("weave", "train", "surface", ("fabric", "cloth", "canvas", "weave")),
    SceneKind("tiles", "train", "surface", ("tiles", "bricks", "pavement")),
    SceneKind("pebbles", "train", "surface", ("leather", "pebbles", "cells")),
    SceneKind("solid", "train", "object", ("object", "product", "body", "thing"), 2.0),
    SceneKind("nut", "train", "object", ("nut", "fruit", "kernel", "food"), 1.5),
    SceneKind("ring", "train", "object", ("ring", "washer", "seal", "gear")),
    SceneKind("shaft", "train", "object", ("shaft", "thread", "screw", "cylinder", "bottle"), 1.5),
    SceneKind("row", "train", "parts", ("parts", "pins", "pills", "row of parts"), 1.5),
    SceneKind("circuit", "train", "parts", ("circuit board", "board", "electronics")),
    SceneKind("kernel", "train", "single", ("nut", "kernel", "seed", "bean", "food"), 1.5),
    SceneKind("fruit", "train", "single", ("fruit", "berry", "food"), 0.8),
    SceneKind("tablet", "train", "single", ("tablet", "pill", "button", "product"), 0.8),
    SceneKind("bake", "train", "single", ("bread", "cookie", "cake", "food"), 0.5),
    SceneKind("pebble", "train", "single", ("stone", "pebble", "rock", "ore"), 0.5),
    SceneKind("moulding", "train", "single", ("casting", "part", "component", "plastic"), 1.0),
    SceneKind("head_slice", "train", "scan", ("brain", "head", "slice", "scan"), 2.0),
    SceneKind("organ_slice", "train", "scan", ("organ", "slice", "scan", "tissue"), 1.5),
    SceneKind("wet_tissue", "train", "wet", ("tissue", "mucosa", "bowel", "endoscopy"), 6.0),
    SceneKind("skin", "train", "wet", ("skin", "tissue"), 1.0),
    SceneKind("radiograph", "train", "scan", ("radiograph", "bones", "x-ray")),
    SceneKind("photo_surface", "train", "photo", ("surface", "material", "texture"), 7.5),
    SceneKind("photo_scene", "train", "photo", ("photograph", "scene", "picture"), 8.0),
    SceneKind("photo_object", "train", "object", ("object", "item", "product"), 7.0),
    SceneKind("photo_thing", "train", "single", ("object", "item", "product", "thing"), 5.5),
    SceneKind("marble", "heldout", "surface", ("marble", "stone")),
    SceneKind("mesh", "heldout", "surface", ("mesh", "grid", "net")),
    SceneKind("capsule", "heldout", "object", ("capsule", "pill")),
    SceneKind("plate", "heldout", "parts", ("plate", "panel", "plate with holes")),
    SceneKind("coil", "heldout", "metal", ("coil", "spring", "wire", "metal")),
    SceneKind("honed", "heldout", "metal", ("metal", "steel", "cylinder", "plate")),
    SceneKind("rack", "heldout", "metal", ("rack", "gear", "spline", "metal")),
    SceneKind("bearing", "heldout", "metal", ("bearing", "balls", "metal")),
    SceneKind("cell_panel", "heldout", "scan", ("solar cell", "panel")),
    SceneKind("liver_slice", "heldout", "scan", ("slice", "scan", "organ")),
    SceneKind("rugae", "heldout", "wet", ("tissue", "mucosa", "stomach")),
    SceneKind("shell", "heldout", "single", ("shell", "sea shell")),
    SceneKind("bead", "heldout", "single", ("bead", "glass", "ball")),
    SceneKind("biscuit", "example", "object", ("biscuit", "cookie")),
    SceneKind("denim", "example", "surface", ("denim", "fabric")),
    SceneKind("dial", "example", "object", ("dial", "gauge")),
)
"""Kinds whose name starts with ``photo_`` need photographs; the others are drawn from noise. Those
of ``photo_`` choose between recipes, too, with photographs that training does not see."""

DEFECT_KINDS = (
    DefectKind("scratch", _ANY, ("scratched", "scraped"), ("scratch",)),
    DefectKind("crack", _ANY, ("cracked", "fractured"), ("crack", "fracture")),
    DefectKind("hole", _ANY, ("punctured", "perforated"), ("hole", "pit")),
    DefectKind("blowhole", _HARD, ("pitted", "defective"), ("blowhole", "pit")),
    DefectKind("pits", (*_HARD, "single"), ("pitted", "corroded"), ("pitting", "corrosion"), 1.3),
    DefectKind("fray", _HARD, ("frayed", "torn"), ("fray", "tear")),
    DefectKind("uneven", _HARD, ("uneven", "discoloured"), ("uneven area", "unevenness")),
    DefectKind(
        "unfinished",
        ("surface", "metal"),
        ("uneven", "defective"),
        ("uneven area", "unevenness"),
        4.0,
    ),
    DefectKind("abrasion", _HARD, ("worn", "scraped"), ("abrasion", "worn area"), 0.7),
    DefectKind("dent", _ANY, ("dented", "pressed"), ("dent",)),
    DefectKind("stain", _ANY, ("stained", "dirty"), ("stain", "spot")),
    DefectKind("discolouration", _ANY, ("discoloured", "faded"), ("discolouration",)),
    DefectKind("contamination", _ANY, ("contaminated", "polluted"), ("contamination", "dirt")),
    DefectKind("fibre", _ANY, ("soiled",), ("fibre", "hair")),
    DefectKind("chip", (*_THINGS, "single"), ("chipped", "broken"), ("broken edge", "chip")),
    DefectKind("missing", _THINGS, ("incomplete",), ("missing part",)),
    DefectKind("displaced", _THINGS, ("displaced", "shifted"), ("misplaced part", "shift")),
    DefectKind("bend", _SOLID, ("bent", "deformed"), ("bend", "deformation"), 0.4),
    DefectKind("patch", _ANY, ("wrong",), ("wrong pattern", "foreign patch")),
    DefectKind("smear", _SOLID, ("smeared", "worn"), ("smear", "worn area"), 0.7),
    DefectKind(
        "misprint",
        ("object", "parts", "photo"),
        ("misprinted", "shifted"),
        ("print error", "shift"),
        0.4,
    ),
    DefectKind("lump", _ANY, ("swollen", "lumpy"), ("lump", "bump")),
    DefectKind("cut", _SINGLE, ("cut", "torn"), ("cut", "slit"), 1.3),
    DefectKind("bite", _SINGLE, ("broken", "incomplete"), ("missing part", "broken edge"), 1.3),
    DefectKind("mould", _SINGLE, ("mouldy", "rotten"), ("mould", "rot")),
    DefectKind("blot", _SINGLE, ("misprinted", "stained"), ("paint", "print", "blot"), 1.3),
    DefectKind("foreign", _SINGLE, ("contaminated",), ("foreign body", "dirt")),
    DefectKind("polyp", ("wet",), ("swollen", "diseased"), ("polyp", "lump"), 5.0),
    DefectKind("mass", ("scan",), ("diseased", "abnormal"), ("tumour", "mass"), 2.5),
    DefectKind("bleed", ("scan",), ("diseased", "bleeding"), ("bleeding", "haemorrhage"), 0.7),
    DefectKind("bright_focus", _BODY, ("diseased", "abnormal"), ("bright lesion", "tumour")),
    DefectKind("dark_focus", _BODY, ("diseased", "abnormal"), ("dark lesion", "lesion")),
    DefectKind("asymmetry", ("scan",), ("displaced",), ("mass", "swelling")),
)


def scenes_of(split: Split, *, photos: bool) -> tuple[SceneKind, ...]:
    """Scene kinds of a split; without ``photos`` only those drawn from noise."""
    if split not in get_args(Split):
        raise ConfigError(f"unknown split {split!r}; known: {', '.join(get_args(Split))}")
    return tuple(kind for kind in SCENE_KINDS if _belongs(kind, split, photos=photos))


def _belongs(kind: SceneKind, split: Split, *, photos: bool) -> bool:
    if kind.name.startswith("photo_"):
        return photos and split in {"train", "heldout"}
    return kind.split == split


def defects_of(family: Family) -> tuple[DefectKind, ...]:
    """Defect kinds that can happen to a family of scenes."""
    return tuple(kind for kind in DEFECT_KINDS if family in kind.families)
