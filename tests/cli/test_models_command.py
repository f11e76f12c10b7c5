"""``faprompt models``: list, info, fetch and check."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import constants
from safetensors.torch import save_file

from faprompt.cli.main import main
from faprompt.clip import hub
from faprompt.clip.registry import REGISTRY, get_spec
from faprompt.clip.shapes import expected_shapes


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty cache and no network, and a wide terminal."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "ASSETS", tmp_path / "assets")
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def tiny_file(machine: Path) -> Path:
    """Random weights of the embedded backbone's shape, where the package has its own."""
    file = machine / "assets" / "tiny" / "tiny.safetensors"
    file.parent.mkdir(parents=True)
    save_file({n: torch.zeros(s) for n, s in expected_shapes(get_spec("tiny")).items()}, file)
    return file


def run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(["models", *args])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_list_names_every_backbone(tiny_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("list") == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {name: next(line for line in lines if f" {name} " in line) for name in REGISTRY}
    assert "427.9 M" in rows["ViT-L-14-336"]
    assert "1.71 GB" in rows["ViT-L-14-336"]
    assert "QuickGELU" in rows["ViT-L-14-336"]
    assert " no " in rows["ViT-L-14-336"]
    assert " yes " in rows["tiny"]


@pytest.mark.parametrize("name", list(REGISTRY))
def test_info_shows_the_facts(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", name) == 0
    text, spec = capsys.readouterr().out, get_spec(name)
    for fact in (spec.licence, str(spec.default_size), spec.hub_id or "the package", "heads"):
        assert fact in text
    assert ("install faprompt again" if name == "tiny" else f"models fetch {name}") in text


def test_an_unknown_name_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info", "ViT-B16") == 1
    assert capsys.readouterr().err.startswith("error: unknown backbone 'ViT-B16'; did you mean")


def test_fetch_of_the_embedded_needs_no_network(
    tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("fetch", "tiny") == 0
    assert str(tiny_file) in capsys.readouterr().out


def test_fetch_without_network_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("fetch", "ViT-L-14-336") == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "--weights PATH" in error


def test_check_names_format_fit_and_checksum(
    tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", str(tiny_file)) == 0
    text = capsys.readouterr().out
    for part in ("safetensors", "tiny", "not known", "SHA-256"):
        assert part in text
    assert run("check", str(tiny_file), "--backbone", "tiny") == 0
    assert "complete and fits tiny" in capsys.readouterr().out


def test_check_against_another_backbone_fails(
    tiny_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", str(tiny_file), "--backbone", "ViT-B-32") == 1
    assert "not the weights of ViT-B-32" in capsys.readouterr().err


def test_check_of_a_stranger_fails(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_file({"visual.proj": torch.zeros(2, 2)}, machine / "x.safetensors")
    assert run("check", str(machine / "x.safetensors")) == 1
    assert "fits no backbone of the registry" in capsys.readouterr().err
    (machine / "y.pt").write_bytes(b"garbage")
    assert run("check", str(machine / "y.pt")) == 1
    assert "y.pt: not a weight file" in capsys.readouterr().err


def test_check_leaves_open_what_the_file_does_not_say(
    machine: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from faprompt.clip import inspection

    save_file({"visual.proj": torch.zeros(2, 2)}, machine / "x.safetensors")
    monkeypatch.setattr(inspection, "fitting_specs", lambda _: ["ViT-B-16", "LAION-ViT-B-16"])
    assert run("check", str(machine / "x.safetensors")) == 0
    assert "does not say which activation" in capsys.readouterr().out
