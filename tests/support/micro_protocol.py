"""Methods that cost nothing, and plans on small folders; fixtures to take from here."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from micro_training import make_backbone, make_classes, make_folder
from torch import Tensor

from faprompt.clip.weights import Backbone
from faprompt.protocol.methods import METHODS
from faprompt.protocol.plan import DataSpec, Plan, Transfer
from faprompt.protocol.rivals.base import Method
from faprompt.protocol.scorer import Seen


@dataclass
class Bright:
    """Takes light for defects: right on made-up images. ``noise`` makes it worse."""

    noise: float = 0.0
    blocks: frozenset[int] = frozenset()
    seen: list[int] = field(default_factory=list)
    """Sizes of the batches."""

    def score(self, seen: Seen) -> tuple[Tensor, Tensor]:
        self.seen.append(len(seen.pixels))
        maps = seen.pixels.mean(dim=1).cpu()  # (B, S, S)
        generator = torch.Generator().manual_seed(int(maps.abs().sum() * 1000) % 2**31)
        maps = maps + self.noise * torch.randn(maps.shape, generator=generator)
        maps = maps.sigmoid()
        return maps.flatten(1).amax(dim=1), maps


def fake(name: str, scorer: Any, title: str | None = None) -> Method:
    """A method that does not learn."""
    return Method(
        name=name,
        title=title or name,
        source="made up",
        settings={"noise": str(getattr(scorer, "noise", ""))},
        deviations=("all of it",),
        trained=False,
        untrained=lambda *_: scorer,
    )


@pytest.fixture
def bright(monkeypatch: pytest.MonkeyPatch) -> dict[str, Bright]:
    """Two methods, ``bright`` and ``blurred``, that the registry knows for a test."""
    scorers = {"bright": Bright(), "blurred": Bright(noise=2.0, blocks=frozenset({1}))}
    for name, scorer in scorers.items():
        monkeypatch.setitem(METHODS, name, fake(name, scorer))
    return scorers


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes to learn from, and targets of one and of two classes."""
    root = tmp_path_factory.mktemp("sets")
    make_folder(root / "source", seed=7)
    make_folder(root / "one", each=4, seed=1)
    make_classes(root / "two", ("bolt", "nut"), each=3)
    return root


def make_plan(root: Path, *, targets: tuple[str, ...] = ("one", "two"), **changes: Any) -> Plan:
    """Both made-up methods on folders below ``root``."""
    given: dict[str, Any] = {
        "name": "made-up",
        "backbone": "micro",
        "methods": ("bright", "blurred"),
        "transfers": (
            Transfer(
                auxiliary=(DataSpec(name="source", spec=str(root / "source")),),
                targets=tuple(DataSpec(name=name, spec=str(root / name)) for name in targets),
            ),
        ),
        "seeds": (1, 2),
        "blur_sigma": 2.0,
        "resamples": 100,
        "training": {"epochs": 1, "num_deep_prompts": 2, "batch_size": 4},
    }
    return Plan(**given | changes)
