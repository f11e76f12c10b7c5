from dataclasses import replace
from pathlib import Path

import pytest

from faprompt.errors import ConfigError
from faprompt.pretrain.recipe import Recipe, Stage, load_recipe


def test_packaged_recipe_of_tiny() -> None:
    recipe = load_recipe()
    assert recipe.stages[-1].steps == 0, "the last stage has no end"
    assert recipe.scenes % recipe.parts == 0


def test_sizes_follow_the_stages() -> None:
    recipe = Recipe(
        stages=(Stage(size=64, steps=2), Stage(size=96, steps=1), Stage(size=128, steps=0))
    )
    assert [recipe.stage_at(step).size for step in range(5)] == [64, 64, 96, 128, 128]


def test_the_last_size_stays_when_every_stage_ends() -> None:
    assert Recipe(stages=(Stage(size=64, steps=2),)).stage_at(99).size == 64


def test_digest_names_the_settings() -> None:
    assert Recipe().digest == Recipe().digest
    assert Recipe().digest != replace(Recipe(), learning_rate=2e-3).digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scene = 4", r"unknown setting 'scene'; did you mean 'scenes'"),
        ("[weights]\ndens = 1.0", r"weights: unknown setting 'dens'; did you mean 'dense'"),
        ("scenes = 3", r"3 scenes do not divide into 2 parts"),
        ("average = 1.0", r"average must be in \[0, 1\), got 1.0"),
        ("[[stages]]\nsize = 100\nsteps = 1", r"size 100 and 1 steps.*multiple of 16"),
        ("[[stages]]\nsize = 96", r"stages: .*'steps'"),
        ("scenes = ", r"r\.toml: not a readable recipe"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_recipe(path)
