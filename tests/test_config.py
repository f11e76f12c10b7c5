"""Settings: presets, refusals with the nearest name."""

from pathlib import Path

import pytest

from faprompt.config import MethodConfig, TrainingConfig, read_toml, train_settings
from faprompt.errors import ConfigError


def test_presets_differ_in_three_settings() -> None:
    paper, released = (MethodConfig.preset(name) for name in ("paper", "released"))
    differing = {n for n in paper.names() if getattr(paper, n) != getattr(released, n)}
    assert differing == {"prior_gather", "image_focal_on", "fp16_deep_prompts"}
    assert (paper.preset_name, released.preset_name) == ("paper", "released")
    assert MethodConfig() == paper
    assert MethodConfig.preset("paper", prior_gather="first").preset_name == "custom"


def test_flat_settings_find_their_owners() -> None:
    settings = train_settings(
        {"epochs": 3, "temperature": 0.1, "prior_weight": 0.0, "preset": "released"}
    )
    assert settings.training.epochs == 3
    assert settings.method == MethodConfig.preset("released", temperature=0.1)
    assert settings.loss.prior_weight == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epoch": 3}, "unknown setting 'epoch'; did you mean 'epochs'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"temperature": 0.0}, "temperature must be above 0"),
        ({"temperature": float("nan")}, "temperature must be at least 0, got nan"),
        ({"select": "best"}, "select must be 'heldout' or 'fixed:N', got 'best'"),
        ({"select": "fixed:16"}, "fixed:16 needs an epoch from 1 to 15"),
        ({"preset": "papers"}, "preset must be one of paper, released"),
        ({"prior_gather": "last"}, "prior_gather must be one of top, first"),
        ({"deep_prompt_length": 6}, "deep_prompt_length 6 must not exceed num_normal_tokens 5"),
        ({"epochs": 2.5}, "epochs must be a whole number, got 2.5"),
        ({"epochs": "3"}, "epochs must be a whole number, got '3'"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
        ({"fp16_deep_prompts": 1}, "fp16_deep_prompts must be true or false, got 1"),
        ({"input_size": 0}, "input_size must be at least 1, got 0"),
        ({"input_size": 64.0}, "input_size must be a whole number or nothing, got 64.0"),
        ({"select": 7}, "select must be a text, got 7"),
        ({"heldout_fraction": 1.0}, "heldout_fraction must lie between 0 and 1"),
    ],
)
def test_bad_settings_are_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_settings(values)


def test_round_trip_through_plain_values() -> None:
    config = TrainingConfig(select="fixed:7", seed=3)
    assert TrainingConfig.from_dict(config.to_dict(), where="x") == config


def test_broken_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.toml"
    path.write_text("epochs = = 3")
    with pytest.raises(ConfigError, match=r"train\.toml: not a readable TOML file"):
        read_toml(path)
