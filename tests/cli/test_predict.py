"""``predict`` and ``evaluate`` as a user types them, on random weights."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from graphs import simple_scores, write_simple_model
from PIL import Image
from random_model import random_model, run

from faprompt.errors import FAPromptError
from faprompt.runtime import Runtime


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options that name a random model."""
    return random_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Folders ``normal`` and ``anomalous`` with two images each."""
    rng = np.random.default_rng(0)
    for kind in ("normal", "anomalous"):
        (tmp_path / "parts" / kind).mkdir(parents=True)
        for i in range(2):
            pixels = rng.integers(0, 255, (40, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "parts" / kind / f"{i}.png")
    return tmp_path / "parts"


def test_predict_writes_maps_and_tables(model: list[str], parts: Path, tmp_path: Path) -> None:
    result = run("predict", parts, "--out", tmp_path / "out", *model)
    assert result.exit_code == 0, result.output
    with (tmp_path / "out" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["width"], r["height"]) for r in rows] == [("30", "40")] * 4
    assert (tmp_path / "out" / "maps" / "normal" / "0.png").is_file()
    assert "4 images" in result.output


def test_predict_again_does_nothing_twice(model: list[str], parts: Path, tmp_path: Path) -> None:
    command = ("predict", parts, "--out", tmp_path / "out", *model)
    run(*command)
    before = (tmp_path / "out" / "predictions.jsonl").read_bytes()
    result = run(*command)
    assert result.exit_code == 0
    assert "4 images were done before; 0 to do" in result.stderr
    assert (tmp_path / "out" / "predictions.jsonl").read_bytes() == before


def test_one_unreadable_image_is_named_and_the_rest_is_done(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    (parts / "broken.png").write_bytes(b"\x89PNG\r\n")
    result = run("predict", parts, "--out", tmp_path / "out", "--no-maps", *model)
    assert result.exit_code == 1
    assert "left out" in result.stderr
    assert "broken.png" in result.stderr
    assert len((tmp_path / "out" / "predictions.jsonl").read_text().splitlines()) == 4
    error = json.loads((tmp_path / "out" / "errors.jsonl").read_text())
    assert error["path"].endswith("broken.png")
    assert not (tmp_path / "out" / "maps").exists()


def test_predict_takes_a_list_on_standard_input(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    listed = f"{parts}/normal/0.png\n{parts}/anomalous/1.png\n"
    result = run("predict", "-", "--out", tmp_path / "out", *model, text=listed)
    assert result.exit_code == 0
    assert sorted(p.name for p in (tmp_path / "out" / "maps").iterdir()) == ["0.png", "1.png"]


def test_regions_areas_and_their_files(model: list[str], parts: Path, tmp_path: Path) -> None:
    args = ["--regions", "--pixel-threshold", "0.01", "--mm-per-pixel", "2", *model]
    roi = ["--roi", "0,0 20,0 20,20 0,20", "--ignore", "0,0 5,0 5,40 0,40"]
    result = run("predict", parts, "--out", tmp_path / "out", *args, *roi)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in (tmp_path / "out" / "regions.jsonl").open()]
    assert len(rows) == 4
    for row in rows:
        (region,) = row["regions"]  # all that counts is above so low a threshold
        assert (region["box"], region["area_mm2"]) == ([5, 0, 15, 20], 300 * 4)
        assert len(region["prompts"]) == 10
        assert sum(share for _, share in region["prompts"]) == pytest.approx(1, abs=1e-4)
    coco = json.loads((tmp_path / "out" / "regions.coco.json").read_text())
    assert len(coco["images"]) == len(coco["annotations"]) == 4
    again = run("predict", parts, "--out", tmp_path / "out", *args, *roi)
    assert "4 images were done before; 0 to do" in again.stderr
    other = run("predict", parts, "--out", tmp_path / "out", *args, *roi[:2])
    assert "areas was " in str(other.exception)


def test_references_are_compared_with_and_recorded(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(5).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    (tmp_path / "good").mkdir()
    Image.fromarray(pixels).save(tmp_path / "good" / "a.png")
    reference = ["--reference", tmp_path / "good", *model]
    result = run("predict", parts, "--out", tmp_path / "few", *reference)
    assert result.exit_code == 0, result.output
    run("predict", parts, "--out", tmp_path / "zero", *model)
    few, zero = (
        {row["path"]: row["image_score"] for row in map(json.loads, (folder).open())}
        for folder in (tmp_path / f"{name}/predictions.jsonl" for name in ("few", "zero"))
    )
    assert few.keys() == zero.keys()
    assert all(few[path] != zero[path] for path in few)
    assert "references_sha256" in json.loads((tmp_path / "few/run.json").read_text())
    assert "references_sha256" not in json.loads((tmp_path / "zero/run.json").read_text())
    mixed = run("predict", parts, "--out", tmp_path / "few", *model)
    assert "references_sha256 was " in str(mixed.exception)
    measured = run("evaluate", "--data", parts, "--json", tmp_path / "e.json", *reference)
    assert measured.exit_code == 0, measured.output
    assert json.loads((tmp_path / "e.json").read_text())["reference"] == str(tmp_path / "good")
    same = run("evaluate", "--data", parts, "--reference", parts / "normal", *model)
    assert "is also to be evaluated" in str(same.exception)


def test_region_options_need_regions(parts: Path) -> None:
    result = run("predict", parts, "--min-area", "4")
    assert result.exit_code == 2
    assert "--min-area needs --regions" in result.stderr


def test_evaluate_prints_a_table_and_writes_json(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    result = run("evaluate", "--data", parts, "--by-type", "--json", tmp_path / "e.json", *model)
    assert result.exit_code == 0, result.output
    assert [line.split()[:4] for line in result.output.splitlines() if "2 + 2" in line] == [
        [name, "2", "+", "2"] for name in ("parts", "anomalous")
    ]
    values = json.loads((tmp_path / "e.json").read_text())
    assert values["counts"]["normal"] == values["counts"]["anomalous"] == 2
    assert 0 <= values["mean"]["image_auroc"] <= 1
    assert values["mean"]["pixel_aupro"] is None
    assert "no anomalous image has a known mask" in values["mean"]["undefined"]["pixel_aupro"]
    assert values["model"]["backbone"] == "tiny"
    assert len(values["data"]["sha256"]) == 64


def test_evaluate_measures_an_exported_model_too(parts: Path, tmp_path: Path) -> None:
    folder = write_simple_model(tmp_path / "exported")
    measured = []
    for more in ([], ["--tile", "32", "--overlap", "0"]):
        result = run(
            "evaluate", "--data", parts, "--model", folder, "--json", tmp_path / "e.json", *more
        )
        assert result.exit_code == 0, result.output
        measured.append(json.loads((tmp_path / "e.json").read_text()))
    whole, tiled = measured
    assert whole["model"] | {"name": ""} == {
        "name": "", "sha256": "1" * 64, "backbone": "micro", "backbone_checksum": "2" * 64,
        "input_size": 32, "precision": "fp32", "exported": "onnx",
    }  # fmt: skip
    # The graph's score is the brightest place: worked out here by hand.
    runtime = Runtime.load(folder)
    scores = {
        label: [float(simple_scores(runtime.read(path)[1][None])[0][0]) for path in found]
        for label, found in ((n, sorted((parts / n).iterdir())) for n in ("normal", "anomalous"))
    }
    pairs = [(n, a) for n in scores["normal"] for a in scores["anomalous"]]
    expected = sum((a > n) + (a == n) / 2 for n, a in pairs) / len(pairs)
    assert whole["mean"]["image_auroc"] == pytest.approx(expected)
    assert tiled["tiling"]
    reference = run("evaluate", "--data", parts, "--model", folder, "--reference", parts / "normal")
    assert "an exported model does not give" in str(reference.exception)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["predict", "x.png", "--model", "none.safetensors"], "no such checkpoint"),
        (["evaluate", "--data", "no/such/folder"], "not found"),
        (["predict", "x.png", "--roi", "1,1 2,2"], "2 different corners; needed are 3"),
        (["predict", "x.png", "--device", "tpu"], "device must be auto, cpu, cuda"),
        (["evaluate", "--data", ".", "--precision", "fp8"], "precision must be auto, fp32 or bf16"),
    ],
)
def test_our_errors_say_what_to_do(
    args: list[str], message: str, model: list[str], parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(parts)
    result = run(*args, *([] if "--model" in args else model))
    assert isinstance(result.exception, FAPromptError)
    assert message in str(result.exception)
