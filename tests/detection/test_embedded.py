"""The embedded model as it ships, on the example images as they ship."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch

from faprompt.data.datasets import load_dataset
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset
from faprompt.detection.detector import Detector
from faprompt.detection.evaluation import evaluate
from faprompt.detection.rendering import strength

EXAMPLES = Path(str(files("faprompt").joinpath("assets", "examples")))


@pytest.fixture(scope="module")
def tiny() -> Detector:
    return Detector.load("tiny", precision="fp32")


@pytest.fixture(scope="module")
def examples() -> Dataset:
    return load_dataset(EXAMPLES)


def test_the_stem_reads_pixels_in_full_precision() -> None:
    """It magnifies faint contrast, so that in bf16 scores moved three times as far."""
    visual = Detector.load("tiny", precision="bf16").backbone.clip.visual
    assert {p.dtype for p in visual.conv1.parameters()} == {torch.float32}
    assert {p.dtype for p in visual.transformer.parameters()} == {torch.bfloat16}


def test_loading_does_not_import_the_compiler() -> None:
    """It is a second of work and 70 MB that nothing needs."""
    code = (
        "import sys; from faprompt import Detector; Detector.load('tiny');"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def test_defects_of_unseen_kinds_stand_out(tiny: Detector, examples: Dataset) -> None:
    mean, _ = evaluate(tiny, examples).mean()
    assert mean["pixel_auroc"] is not None
    assert mean["pixel_auroc"] > 0.65  # chance is 0.5


def test_colour_lies_on_defects_and_normal_images_look_calm(
    tiny: Detector, examples: Dataset
) -> None:
    """The share of coloured pixels is larger inside the masks than on normal images."""
    inside, calm = [], []
    for sample in examples.samples:
        prediction = tiny.predict(sample.image_path)
        coloured = strength(prediction.anomaly_map, prediction.colour_limits) > 0
        if sample.label == 0:
            calm.append(coloured.mean())
        else:
            mask = read_mask(sample, None)
            assert mask is not None
            inside.append(coloured[mask].mean())
    assert np.mean(inside) > 2 * np.mean(calm)
    assert np.median(calm) < 0.05


def test_header_tells_how_the_prompts_were_made(tiny: Detector) -> None:
    header = tiny.header
    assert header.backbone == "tiny"
    assert header.data[0]["normal"] > 0
    assert header.metrics["on"].startswith("classes")  # held out by kind
    assert header.colour_limits[0] < header.colour_limits[1]


def test_precision_bf16_gives_nearly_the_same(tiny: Detector, examples: Dataset) -> None:
    half = Detector.load("tiny", precision="bf16")
    for sample in examples.samples[:4]:
        exact = tiny.predict(sample.image_path)
        assert half.predict(sample.image_path).image_score == pytest.approx(
            exact.image_score, abs=0.05
        )
