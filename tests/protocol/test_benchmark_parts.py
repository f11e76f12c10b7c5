"""Data of a plan, curves and overlaps."""

from dataclasses import dataclass
from pathlib import Path

import micro_protocol
import micro_training
import numpy as np
import pytest
from micro_protocol import Bright, make_plan
from micro_training import make_folder
from sklearn.metrics import roc_auc_score

from faprompt.clip.weights import Backbone
from faprompt.data.datasets import load_dataset
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset
from faprompt.metrics.pixel import FPR_LIMIT
from faprompt.protocol.curves import curve_of
from faprompt.protocol.examples import EACH, choose
from faprompt.protocol.material import Absent, Material, Present
from faprompt.protocol.overlaps import findings
from faprompt.protocol.results import Results
from faprompt.protocol.runner import Options, run_benchmark
from faprompt.protocol.scoring import see
from faprompt.training.feature_cache import ImageTower

backbone, bright, sets = micro_protocol.backbone, micro_protocol.bright, micro_protocol.sets
one_thread = micro_training.one_thread


def test_content_is_hashed_again_only_when_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_folder(tmp_path / "one", each=2)
    plan = make_plan(tmp_path, targets=("one",))
    hashed: list[Dataset] = []
    real = Dataset.content_hash

    def counted(dataset: Dataset) -> str:
        hashed.append(dataset)
        return real(dataset)

    monkeypatch.setattr(Dataset, "content_hash", counted)
    first = Material(plan, tmp_path / "hashes.json")
    second = Material(plan, tmp_path / "hashes.json")
    assert len(hashed) == 1
    assert [p.sha256 for p in first.all_present()] == [p.sha256 for p in second.all_present()]
    (tmp_path / "one/good/0.png").write_bytes((tmp_path / "one/good/1.png").read_bytes())
    third = Material(plan, tmp_path / "hashes.json")
    assert len(hashed) == 2
    assert third.all_present()[0].sha256 != first.all_present()[0].sha256


def test_damaged_hashes_are_made_again(tmp_path: Path) -> None:
    make_folder(tmp_path / "one", each=2)
    (tmp_path / "hashes.json").write_text("{")
    assert Material(make_plan(tmp_path, targets=("one",)), tmp_path / "hashes.json").all_present()


def test_a_set_is_here_or_absent_with_the_reason(tmp_path: Path) -> None:
    make_folder(tmp_path / "one", each=2)
    plan = make_plan(tmp_path, targets=("one",))
    material = Material(plan, tmp_path / "hashes.json")
    here, gone = (
        material.of(d) for d in (*plan.transfers[0].targets, *plan.transfers[0].auxiliary)
    )
    assert isinstance(here, Present)
    assert {"normal": 2, "anomalous": 2, "masks": 2}.items() <= here.facts().items()
    assert isinstance(gone, Absent)
    assert "not found" in gone.reason


def test_areas_below_curves_are_the_metrics(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    plan = make_plan(sets, targets=("one",), methods=("blurred",))
    outcome = run_benchmark(plan, tmp_path, backbone)
    (part,) = outcome.store.parts(str(outcome.entries[0].cell))
    expected = {
        "image": (roc_auc_score(part.labels, part.scores), 1.0),
        "pixel": (part.facts["values"]["pixel_auroc"], 1.0),
        "pro": (part.facts["values"]["pixel_aupro"] * FPR_LIMIT, FPR_LIMIT),
    }
    for kind, (area, limit) in expected.items():
        curve = curve_of([part], kind)
        assert curve is not None
        assert np.trapezoid(curve, np.linspace(0, limit, curve.size)) == pytest.approx(
            area, abs=0.02
        )


def test_examples_are_the_best_and_the_worst_by_their_own_maps(
    backbone: Backbone, bright: dict[str, Bright], tmp_path: Path
) -> None:
    make_folder(tmp_path / "one", each=7, seed=4)
    plan = make_plan(tmp_path, targets=("one",), methods=("blurred",))
    outcome = run_benchmark(plan, tmp_path / "out", backbone, options=Options(batch_size=1))
    (part,) = outcome.store.parts(str(outcome.entries[0].cell))
    tower, areas, normal = ImageTower(backbone, 64), {}, {}
    for sample in load_dataset(tmp_path / "one").samples:
        mask = read_mask(sample, 64)
        score, maps = bright["blurred"].score(
            see(tower, [tower.read(sample.image_path)], frozenset({1, 2}))
        )
        name = f"{sample.image_path.parent.name}/{sample.image_path.name}"
        if sample.label == 0:
            normal[name] = score.item()
        elif mask is not None:
            areas[name] = roc_auc_score(mask.ravel(), maps[0].numpy().ravel())
    ranked = sorted(areas, key=lambda name: -areas[name])
    chosen = [example.path for example in choose([part])]
    suspicious = max(normal, key=lambda name: normal[name])
    assert chosen == [*ranked[:EACH], *ranked[-EACH:], suspicious]


@dataclass
class _Pair:
    auxiliary: Path
    target: Path
    kind: str


@dataclass
class _Overlap:
    pairs: list[_Pair]


def test_overlaps_are_looked_for_once(
    backbone: Backbone, bright: dict[str, Bright], sets: Path, tmp_path: Path
) -> None:
    results = Results(run_benchmark(make_plan(sets), tmp_path / "out", backbone))
    asked: list[str] = []

    def find(auxiliary: object, target: Dataset) -> _Overlap:
        asked.append(target.name)
        shared = target.name == "one"
        return _Overlap([_Pair(Path("x/a.png"), Path("y/b.png"), "content")] * shared)

    first = list(findings(results, tmp_path / "overlap", find))
    assert first == list(findings(results, tmp_path / "overlap", find))
    assert asked == ["one", "two"]
    assert [(f.target, f.count, f.examples) for f in first] == [
        ("one", "1 by content", "a.png = b.png"),
        ("two", "none", ""),
    ]
