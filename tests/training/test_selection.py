"""What is held out, which epoch is chosen, and where colour starts."""

from collections.abc import Sequence
from pathlib import Path

import micro_training
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig
from faprompt.data.samples import Dataset, Sample
from faprompt.errors import DataError
from faprompt.method.network import FAPrompt
from faprompt.training.examples import Example, ExampleReader, files_of, labelled
from faprompt.training.feature_cache import ImageTower, hash_files
from faprompt.training.selection import choose, colour_limits, judge, split_examples

backbone = micro_training.backbone
dataset = micro_training.dataset
folder = micro_training.folder
one_thread = micro_training.one_thread


def example(number: int, label: int, *, group: str = "0/a/x", kind: str = "good") -> Example:
    sample = Sample(
        image_path=Path(f"{number}.png"),
        class_name=group.rsplit("/", 1)[1],
        label=label,
        anomaly_type=kind,
    )
    return Example(sample, image_hash=f"{number:04}", mask_hash=None, group=group)


def one_class(normal: int = 20, kinds: Sequence[int] = (10, 5)) -> list[Example]:
    examples = [example(i, 0) for i in range(normal)]
    for k, count in enumerate(kinds):
        start = len(examples)
        examples += [example(start + i, 1, kind=f"kind{k}") for i in range(count)]
    return examples


def several_classes(count: int) -> list[Example]:
    return [
        example(100 * c + i, i % 2, group=f"0/a/class{c}", kind=("good", "hole")[i % 2])
        for c in range(count)
        for i in range(6)
    ]


def hashes(examples: Sequence[Example]) -> set[str]:
    return {e.image_hash for e in examples}


def test_whole_classes_are_held_out_where_there_are_several() -> None:
    split = split_examples(several_classes(5), fraction=0.4, seed=1)
    held, learned = ({e.group for e in part} for part in (split.heldout, split.train))
    assert (len(held), len(learned), held & learned) == (2, 3, set())
    assert split.by == "classes " + ", ".join(sorted(g.removeprefix("0/") for g in held))


@pytest.mark.parametrize(
    ("classes", "fraction", "held"), [(2, 0.01, 1), (2, 0.99, 1), (15, 0.2, 3)]
)
def test_at_least_one_class_on_either_side(classes: int, fraction: float, held: int) -> None:
    split = split_examples(several_classes(classes), fraction=fraction, seed=0)
    assert len({e.group for e in split.heldout}) == held


def test_one_class_is_split_by_type() -> None:
    split = split_examples(one_class(), fraction=0.2, seed=3)
    kinds = [e.sample.anomaly_type for e in split.heldout]
    assert {kind: kinds.count(kind) for kind in kinds} == {"good": 4, "kind0": 2, "kind1": 1}
    assert split.by == "20% of the images of every type"


def test_rare_types_do_not_leave_the_held_out_part_without_defects() -> None:
    split = split_examples(one_class(normal=4, kinds=[1, 1, 1]), fraction=0.2, seed=0)
    assert sorted(e.sample.label or 0 for e in split.heldout) == [0, 1]


@settings(max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    fraction=st.floats(0.05, 0.95),
    copies=st.lists(st.integers(0, 34), max_size=10),
    classes=st.booleans(),
)
def test_duplicates_are_never_on_both_sides(
    seed: int, fraction: float, copies: list[int], classes: bool
) -> None:
    examples = several_classes(6) if classes else one_class()
    last = examples[-1]
    copied = [examples[i] for i in copies]
    twins = [Example(e.sample, e.image_hash, None, last.group) for e in copied]
    try:
        split = split_examples(examples + twins, fraction=fraction, seed=seed)
    except DataError:
        return  # nothing would be left on one side: refused
    assert not hashes(split.train) & hashes(split.heldout)
    assert len(split.train) + len(split.heldout) == len(examples) + len(twins)
    again = split_examples(examples + twins, fraction=fraction, seed=seed)
    assert (again.train, again.heldout) == (split.train, split.heldout)


def test_the_split_is_a_function_of_the_seed_and_not_of_the_order() -> None:
    examples = several_classes(8)
    parts = [hashes(split_examples(examples, fraction=0.3, seed=s).heldout) for s in range(6)]
    assert len({frozenset(part) for part in parts}) > 1
    mixed = split_examples(examples[::-1], fraction=0.3, seed=0)
    assert hashes(mixed.heldout) == parts[0]


def test_a_part_without_both_labels_is_refused() -> None:
    examples = [example(i, i % 2, group=f"0/a/class{i % 2}") for i in range(10)]
    with pytest.raises(DataError, match=r"part would lack normal or anomalous .*--select fixed:N"):
        split_examples(examples, fraction=0.5, seed=0)


def record(epoch: int, criterion: float) -> dict[str, object]:
    return {"epoch": epoch, "heldout": {"criterion": criterion}}


@given(st.lists(st.sampled_from([0.2, 0.5, 0.5, 0.9]), min_size=1, max_size=12))
def test_the_first_of_the_best_epochs_is_chosen(criteria: list[float]) -> None:
    history = [record(epoch, c) for epoch, c in enumerate(criteria, start=1)]
    assert choose(history) == 1 + int(np.argmax(criteria))


def test_colour_starts_above_normal_pixels_and_is_full_on_defects() -> None:
    rng = np.random.default_rng(0)
    normal = [rng.uniform(0.0, 0.4, 500).astype(np.float32) for _ in range(3)]
    defect = [rng.uniform(0.5, 0.9, 500).astype(np.float32) for _ in range(2)]
    low, high = colour_limits(normal, defect)
    assert low == pytest.approx(np.quantile(np.concatenate(normal), 0.97))
    assert high == pytest.approx(np.quantile(np.concatenate(defect), 0.9))


@given(
    st.lists(st.floats(0, 1, width=32), max_size=5), st.lists(st.floats(0, 1, width=32), max_size=5)
)
def test_colour_limits_are_ordered_and_within_range(calm: list[float], loud: list[float]) -> None:
    low, high = colour_limits([np.array(calm, np.float32)], [np.array(loud, np.float32)])
    assert 0 <= low < high <= 1


def test_judgement_is_that_of_scikit_learn(dataset: Dataset, backbone: Backbone) -> None:
    torch.manual_seed(0)
    config = MethodConfig(num_deep_prompts=2, blur_sigma=2.0)
    network = FAPrompt(backbone.clip, config).eval()
    reader = ExampleReader(ImageTower(backbone, 64), cache=None)
    files = (p for s in dataset.samples for p in files_of(s))
    examples = labelled([dataset], hash_files(files, workers=0)[0])
    found = judge(network, reader, examples, workers=1).metrics
    batch = reader.batch(examples)
    with torch.inference_mode():
        scores = network(batch.features.image, batch.features.patches)
        maps = scores.anomaly_map(64, blur_sigma=2.0)
    labels, masks = batch.targets.labels.numpy(), batch.targets.masks.bool().numpy()
    image = roc_auc_score(labels, scores.image_score.numpy())
    pixel = roc_auc_score(masks.ravel(), maps.numpy().ravel())
    assert found["image_auroc"] == pytest.approx(image, abs=1e-6)
    assert found["pixel_auroc"] == pytest.approx(pixel, abs=1e-4)
    assert found["criterion"] == pytest.approx((image + pixel) / 2, abs=1e-4)
    assert found["images"] == 10


def test_undefined_figures_are_none(dataset: Dataset, backbone: Backbone) -> None:
    reader = ExampleReader(ImageTower(backbone, 64), cache=None)
    files = (p for s in dataset.samples for p in files_of(s))
    examples = labelled([dataset], hash_files(files, workers=0)[0])
    normal = [e for e in examples if e.sample.label == 0]
    network = FAPrompt(backbone.clip, MethodConfig(num_deep_prompts=2))
    metrics = judge(network, reader, normal, workers=0).metrics
    assert {metrics[n] for n in ("image_auroc", "pixel_auroc", "criterion")} == {None}
