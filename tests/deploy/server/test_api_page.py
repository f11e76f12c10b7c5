"""docs/api.md against the service: paths, options and limits that it names exist."""

import re
from pathlib import Path

from desks import GreyModel, client_of, served
from typer.testing import CliRunner

from faprompt.cli.main import load_commands
from faprompt.deploy.server.limits import MEBIBYTE, Limits

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")


def shapes(path: str) -> str:
    """A path with all ids alike."""
    path = re.sub(r"\{\w+\}|\$\w+", "{}", path)
    return re.sub(r"[?\"'].*", "", path).rstrip("/`")


def test_every_path_is_served(tmp_path: Path) -> None:
    with client_of(tmp_path, served(GreyModel())) as client:
        known = {
            shapes(path.removeprefix("/api/v1"))
            for path in client.get("/openapi.json").json()["paths"]
        }
    curls = re.findall(r"(?:\$API|/api/v1)(/[^\s\"');]+)", PAGE)
    named = re.findall(r"`(?:GET|POST|PUT|PATCH|DELETE) (/[^`\s?]+)", PAGE)
    assert len(curls) > 9
    assert len(named) > 9
    assert {shapes(path) for path in [*curls, *named]} <= known


def test_options_and_defaults_are_those_of_the_command() -> None:
    limits = Limits()
    shown = CliRunner().invoke(load_commands(), ["serve", "--help"], env={"COLUMNS": "200"}).output
    for option in re.findall(r"`(--[\w-]+)`", PAGE.split("## One image")[0]):
        assert option in shown, option
    row = f"| {limits.file_bytes // MEBIBYTE}, {limits.request_bytes // MEBIBYTE}, {limits.files} |"
    assert row in PAGE
    assert f"| {limits.waiting} |" in PAGE
    assert f"| {limits.request_seconds:.0f} |" in PAGE
