"""The shipped backbone: small, complete, and better than the same network with random weights."""

import csv
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from faprompt.clip.model import Clip
from faprompt.clip.registry import get_spec
from faprompt.clip.tokenizer import load_tokenizer
from faprompt.clip.weights import load_backbone
from faprompt.pretrain.objective import initialised
from faprompt.pretrain.scoring import HeldoutScore, score_heldout
from faprompt.pretrain.shipping import MAX_BYTES, SOURCE_COLUMNS

ASSETS = Path(str(files("faprompt") / "assets" / "tiny"))
SCENES = 24


def score(clip: Clip) -> HeldoutScore:
    return score_heldout(clip, load_tokenizer(clip.spec), scenes=SCENES, seed=1)


@pytest.fixture(scope="module")
def random_score() -> HeldoutScore:
    torch.manual_seed(0)
    return score(initialised(Clip(get_spec("tiny"))).frozen())


def test_beats_random_weights_by_ten_points_on_kinds_it_has_not_seen(
    random_score: HeldoutScore,
) -> None:
    tiny = score(load_backbone("tiny").clip)
    assert tiny.image_auroc >= random_score.image_auroc + 0.10, (tiny, random_score)
    assert tiny.pixel_auroc >= random_score.pixel_auroc + 0.10, (tiny, random_score)


def test_package_data_is_small_and_complete() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) <= MAX_BYTES
    assert (ASSETS / "MODEL_CARD.md").is_file()
    header = (ASSETS / "SOURCES.csv").read_text().splitlines()[0]
    assert header == ",".join(SOURCE_COLUMNS)


def test_no_source_carries_a_restrictive_licence() -> None:
    with (ASSETS / "SOURCES.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 1000
    known = ("CC0", "Public domain", "No known copyright", "MIT", "Apache-2.0", "CC BY ")
    odd = {row["licence"] for row in rows if not row["licence"].startswith(known)}
    assert not odd
