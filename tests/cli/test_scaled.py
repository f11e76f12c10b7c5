"""``--engine local``: the commands of many images, on random weights."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from completeness import rows_of
from random_model import noisy_parts, random_model, run
from served import served
from typer.main import get_command
from typer.testing import Result

from faprompt.cli import evaluate
from faprompt.cli.main import load_commands
from faprompt.cli.scaled_options import OF_RAY, OF_SHARDS
from faprompt.clip.compute import resolve
from faprompt.clip.weights import load_backbone
from faprompt.errors import CheckpointError, ConfigError, WeightsError
from faprompt.method.checkpoint import read_checkpoint, save_checkpoint
from faprompt.scale.features import recipe_for
from faprompt.scale.model import describe
from faprompt.training.feature_cache import FeatureCache


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("model")
    return [*random_model(folder), "--precision", "fp32", "--batch-size", "2"]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return noisy_parts(tmp_path_factory.mktemp("data") / "parts", each=4)


def scores_of(folder: Path) -> dict[str, float]:
    lines = (folder / "predictions.jsonl").read_text().splitlines()
    return {row["path"]: row["image_score"] for row in map(json.loads, lines)}


def evaluated(*args: object) -> dict[str, Any]:
    *command, path = args
    result = run("evaluate", *command, "--json", path)
    assert result.exit_code == 0, result.output
    values: dict[str, Any] = json.loads(Path(str(path)).read_text())
    return {name: values[name] for name in ("classes", "mean", "counts", "unreadable")}


def test_scores_are_those_of_plain_predict(model: list[str], parts: Path, tmp_path: Path) -> None:
    run("predict", parts, "--out", tmp_path / "plain", "--no-maps", *model)
    result = run(
        "predict", parts, "--out", tmp_path / "out", "--engine", "local", "--shard-size", 5,
        "--maps", *model,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "12 images" in result.stdout
    rows = rows_of(tmp_path / "out")
    plain = scores_of(tmp_path / "plain")
    assert [row["path"] for row in rows] == list(plain)
    for row in rows:
        assert row["image_score"] == pytest.approx(plain[row["path"]], abs=1e-5)
        assert (tmp_path / "out" / row["map"]).is_file()


def test_bad_images_end_with_exit_1_and_reasons(model: list[str], tmp_path: Path) -> None:
    folder = noisy_parts(tmp_path / "parts")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    command = ("predict", folder, "--out", tmp_path / "out", "--engine", "local", *model)
    result = run(*command)
    assert result.exit_code == 1
    assert "6 images, 1 left out (errors.jsonl)" in result.stdout
    assert "broken.png" in (tmp_path / "out" / "errors.jsonl").read_text()
    noisy_parts(tmp_path / "other", each=1)
    (folder / "broken.png").write_bytes((tmp_path / "other/normal/n0.png").read_bytes())
    assert run(*command).exit_code == 1  # it is done; the shard says so
    assert run(*command, "--retry-errors").exit_code == 0
    assert (tmp_path / "out" / "errors.jsonl").read_text() == ""


def test_figures_are_those_of_plain_evaluate(model: list[str], parts: Path, tmp_path: Path) -> None:
    plain = evaluated("--data", parts, *model, tmp_path / "plain.json")
    assert plain["mean"]["pixel_aupro"] is not None
    many = evaluated(
        "--data", parts, "--engine", "local", "--out", tmp_path / "out", "--shard-size", 3,
        *model, tmp_path / "many.json",
    )  # fmt: skip
    assert many == plain | {"classes": many["classes"], "mean": many["mean"]}
    for name, value in plain["mean"].items():
        assert many["mean"][name] == pytest.approx(value, abs=1e-4), name


def test_figures_by_windows_are_those_of_plain_evaluate(
    model: list[str], parts: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "parts" / "normal" / "a-broken.png"
    shutil.copytree(parts, tmp_path / "parts")
    broken.write_bytes(b"no image")
    tiles = ("--data", tmp_path / "parts", "--tile", 24, "--whole", *model)
    many = ("--engine", "local", "--out", tmp_path / "out", "--shard-size", 3)
    told = []
    for name, how in (("plain", ()), ("many", many)):
        path = tmp_path / f"{name}.json"
        assert run("evaluate", *tiles, *how, "--json", path).exit_code == 1
        told.append(json.loads(path.read_text()))
    assert told[0]["counts"] == told[1]["counts"]
    assert list(told[1]["unreadable"]) == [str(broken)]
    assert told[0]["tiling"] == told[1]["tiling"]
    for name, value in told[0]["mean"].items():
        assert told[1]["mean"][name] == pytest.approx(value, abs=1e-4), name
    whole = run("evaluate", "--data", tmp_path / "parts", *many, *model)
    assert "tiling was" in str(whole.exception)


def test_a_manifest_elsewhere_is_evaluated(model: list[str], parts: Path, tmp_path: Path) -> None:
    rows = [
        {"path": f"{kind}/{kind[0]}{i}.png", "label": label, "class": "parts",
         "mask": f"masks/a{i}.png" if label else None}
        for label, kind in enumerate(("normal", "anomalous")) for i in range(4)
    ]  # fmt: skip
    rows.append({"path": "normal/gone.png", "label": 0, "class": "parts", "mask": None})
    rows.append({"path": "normal/unknown.png", "label": None, "class": "parts", "mask": None})
    pq.write_table(pa.Table.from_pylist(rows), parts / "m.parquet")
    here = evaluated_with_errors("--data", parts / "m.parquet", *model, tmp_path / "plain.json")
    with served(parts) as url:
        elsewhere = evaluated_with_errors(
            "--data", f"{url}/m.parquet", "--engine", "local", "--out", tmp_path / "out",
            *model, tmp_path / "many.json",
        )  # fmt: skip
        assert list(elsewhere["unreadable"]) == [f"{url}/normal/gone.png"]
        assert elsewhere["unreadable"][f"{url}/normal/gone.png"].startswith(f"{url}/normal/gone")
    assert elsewhere["counts"] == here["counts"]
    for name, value in here["mean"].items():
        assert elsewhere["mean"][name] == pytest.approx(value, abs=1e-4), name


def evaluated_with_errors(*args: object) -> dict[str, Any]:
    *command, path = args
    result = run("evaluate", *command, "--json", path)
    assert result.exit_code == 1, result.output
    values: dict[str, Any] = json.loads(Path(str(path)).read_text())
    assert (values["counts"]["unreadable"], values["counts"]["unlabelled"]) == (1, 1)
    return values


def test_training_finds_what_the_engine_cached(
    model: list[str], parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = model[model.index("--weights") + 1]
    command = [
        "train", "--data", parts, "--weights", weights, "--input-size", 64, "--epochs", 1,
        "--cache", tmp_path / "cache", "--precision", "fp32", "--select", "fixed:1",
    ]  # fmt: skip
    missing: list[list[str]] = []
    found = FeatureCache.missing

    def spied(cache: FeatureCache, hashes: Any) -> list[str]:
        missing.append(found(cache, hashes))
        return missing[-1]

    monkeypatch.setattr(FeatureCache, "missing", spied)
    result = run(*command, "--out", tmp_path / "run", "--engine", "local")
    assert result.exit_code == 0, result.output
    assert len(missing[0]) == 8
    assert missing[1] == []  # asked by training itself


@pytest.mark.parametrize(
    ("command", "kind", "message"),
    [
        (["predict", "x.png", "--engine", "spark"], ConfigError, "must be one of local, ray"),
        (["predict", "x.png", "--engine", "local", "--model", "no"], CheckpointError, "no such"),
        (["evaluate", "--data", "x", "--engine", "local"], ConfigError, "--engine needs --out"),
    ],
)
def test_our_errors_say_what_is_needed(
    command: list[str], kind: type[Exception], message: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    result = run(*command)
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


def told(result: Result) -> str:
    """A usage error, out of its frame."""
    return " ".join(result.stderr.replace("│", " ").split())


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["predict", "a.png", "--engine", "local", "--min-area", "4"], "--min-area needs --region"),
        (["predict", "a.png", "--engine", "ray", "--whole"], "--whole needs --tile"),
        (
            ["predict", "a.png", "--engine", "ray", "--reference", ".", "--tile", "auto"],
            "use one of them",
        ),
        (["predict", "a.png", "--engine", "ray", "--map-format", "jpg"], "needs --maps"),
        (["predict", "a.png", "--engine", "local", "--actors", "2"], "--actors needs --engine ray"),
        (["predict", "a.png", "--shard-size", "512"], "--shard-size needs --engine"),
        (["predict", "a.png", "--retry-errors"], "--retry-errors needs --engine"),
        (["predict", "a.png", "--out", "s3://bucket/a"], "a URL needs --engine"),
        (
            ["evaluate", "--data", ".", "--engine", "ray", "--reference", "."],
            "--reference does not",
        ),
        (["evaluate", "--data", ".", "--out", "x"], "--out needs --engine"),
        (["train", "--data", ".", "--out", "x", "--gpus", "1"], "--gpus needs --engine"),
    ],
)
def test_what_would_be_typed_in_vain_is_a_usage_error(
    command: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*command)
    assert result.exit_code == 2
    assert message in told(result)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "carried"), [("predict", set[str]()), ("evaluate", evaluate.CARRIED)]
)
def test_what_an_engine_carries_are_parameters(name: str, carried: set[str]) -> None:
    command = get_command(load_commands()).commands[name]  # type: ignore[attr-defined]
    assert carried | OF_RAY | OF_SHARDS <= {parameter.name for parameter in command.params}


def test_an_exported_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("exported").mkdir()
    Path("exported", "model.json").write_text("{}")
    result = run("predict", "a.png", "--engine", "local", "--model", "exported")
    assert result.exit_code == 2
    assert "an exported model does not go with --engine" in told(result)
    assert [p.name for p in tmp_path.iterdir()] == ["exported"]


def test_another_model_is_another_run(model: list[str], parts: Path, tmp_path: Path) -> None:
    command = ("predict", parts, "--out", tmp_path / "out", "--engine", "local", *model)
    assert run(*command).exit_code == 0
    path = Path(model[model.index("--model") + 1])
    other = path.with_name("other.safetensors")
    header, state = read_checkpoint(path)
    save_checkpoint(other, state, replace(header, colour_limits=(0.1, 0.2)))
    result = run(*command, "--model", other)
    assert isinstance(result.exception, ConfigError)
    assert "model_sha256 was" in str(result.exception)


def test_a_worker_with_another_model_refuses(model: list[str]) -> None:
    options = dict(zip(model[::2], model[1::2], strict=True))
    described, facts = describe(
        options["--model"], weights=options["--weights"], device="cpu", precision="fp32"
    )
    assert facts["model_sha256"] == described.load().checksum
    with pytest.raises(CheckpointError, match="the run was planned with 0000"):
        replace(described, sha256="0" * 64).load()


def test_a_worker_with_other_weights_refuses_to_cache(model: list[str], tmp_path: Path) -> None:
    weights = model[model.index("--weights") + 1]
    backbone = load_backbone("tiny", weights=weights)
    compute = resolve("cpu", "fp32")
    recipe = recipe_for(
        backbone, compute, weights=weights, cache=tmp_path, workers=0, input_size=64
    )
    assert recipe.build()([]) == {"rows": 0, "errors": 0}
    with pytest.raises(WeightsError, match="features would be tiny-"):
        replace(recipe, weights=None).build()  # the embedded ones
