"""The trainer's steps against three optimiser steps of the released code."""

from pathlib import Path

import micro_training
import pytest
import torch
from micro_training import micro_settings

from faprompt.clip.weights import Backbone
from faprompt.config import train_settings
from faprompt.method.golden_case import GoldenCase
from faprompt.method.losses import Targets
from faprompt.method.released import to_learner_state
from faprompt.method.verification import packaged_case, read_arrays
from faprompt.training.examples import Batch, Example, ExampleReader
from faprompt.training.feature_cache import Features, ImageTower
from faprompt.training.run_files import RunFiles
from faprompt.training.trainer import Trainer, shuffled

backbone = micro_training.backbone
one_thread = micro_training.one_thread

CASE = GoldenCase()


@pytest.fixture(scope="module")
def golden_backbone() -> Backbone:
    return Backbone(CASE.clip(), CASE.spec, "golden", "golden recipe")


@pytest.mark.parametrize(("preset", "gather"), [("released", "first"), ("paper", "top")])
def test_three_steps_are_those_of_the_released_code(
    preset: str, gather: str, golden_backbone: Backbone, tmp_path: Path
) -> None:
    settings = train_settings({"prior_gather": gather}, preset="released")
    reader = ExampleReader(ImageTower(golden_backbone, CASE.size), cache=None)
    trainer = Trainer(golden_backbone, settings, reader=reader, files=RunFiles(tmp_path), workers=0)
    trainer.network.learner.load_state_dict(to_learner_state(CASE.released_learnables()))
    with torch.no_grad():
        dual = golden_backbone.clip.visual.dual(CASE.images())
    targets = Targets(CASE.labels(), CASE.masks(), torch.ones(3, dtype=torch.bool))
    batch = Batch(Features(dual.image, dual.patches()), targets)
    totals = [trainer.step(batch, epoch=1, step=step)["total"] for step in (1, 2, 3)]
    expected = read_arrays(packaged_case(preset))["train_total"]
    assert totals == pytest.approx(expected.tolist(), rel=1e-5)


def test_the_start_is_a_function_of_the_seed(backbone: Backbone, tmp_path: Path) -> None:
    reader = ExampleReader(ImageTower(backbone, 64), cache=None)
    torch.manual_seed(12345)  # whatever ran before

    def start(seed: int) -> torch.Tensor:
        settings = micro_settings(seed=seed)
        trainer = Trainer(backbone, settings, reader=reader, files=RunFiles(tmp_path), workers=0)
        tokens: torch.Tensor = trainer.network.learner.state_dict()["prompts.normal_tokens"]
        return tokens

    first = start(111)
    torch.rand(3)
    assert torch.equal(first, start(111))
    assert not torch.equal(first, start(112))
    assert 0.01 < float(first.std()) < 0.03  # N(0, 0.02)


def test_every_epoch_has_an_order_of_its_own() -> None:
    numbers: list[Example] = list(range(50))  # type: ignore[arg-type]
    orders = [shuffled(numbers, seed=111, epoch=e) for e in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[2]) == numbers  # type: ignore[type-var]
    assert shuffled(numbers, seed=112, epoch=1) != orders[0]
