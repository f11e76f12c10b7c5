"""docs/settings.md and config.py say the same."""

import json
import re
from pathlib import Path

import pytest

from faprompt.config import LossConfig, MethodConfig, TrainingConfig, train_settings

PAGE = (Path(__file__).parents[1] / "docs" / "settings.md").read_text(encoding="utf-8")
OWNERS = {
    "Prompts, prior and scoring": MethodConfig(),
    "Loss": LossConfig(),
    "Training": TrainingConfig(),
}


@pytest.mark.parametrize("heading", list(OWNERS))
def test_every_setting_is_on_the_page_in_order_with_its_default(heading: str) -> None:
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| `?([^|`]+)`? \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    defaults = {name: text.strip() for name, text, *_ in rows}
    expected = OWNERS[heading].to_dict()
    assert list(defaults) == list(expected)
    assert defaults.pop("input_size", "the backbone's") == "the backbone's"
    for name, text in defaults.items():
        assert json.loads(text) == expected[name], name


def test_the_preset_table_is_that_of_the_code() -> None:
    for name in ("prior_gather", "image_focal_on", "fp16_deep_prompts"):
        row = re.search(rf"^\| `{name}` \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)
        assert row is not None
        found = tuple(map(json.loads, row.groups()))
        presets = (MethodConfig.preset(preset) for preset in ("paper", "released"))
        assert found == tuple(getattr(config, name) for config in presets)


def test_the_example_file_works() -> None:
    import tomllib

    (example,) = re.findall(r"```toml\n(.+?)```", PAGE, flags=re.DOTALL)
    assert train_settings(tomllib.loads(example)) == train_settings({})
