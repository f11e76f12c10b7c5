"""Every command of docs/api.md, as it is printed, one after the other, against a desk that runs."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from desk_process import running
from desks import png
from PIL import Image

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
PRINTED = "http://127.0.0.1:8000"
FAILING = 'curl() { command curl --fail --silent --show-error "$@"; }\n'
"""An answer that is an error ends the script."""


def commands() -> str:
    """All blocks but the first, which installs and starts what runs already."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    assert "faprompt serve" in blocks[0]
    return "".join(blocks[1:])


def folder_of_a_reader(folder: Path) -> None:
    """The files that the commands name."""
    Image.new("L", (32, 24), 102).save(folder / "photo.jpg")
    (folder / "notes.txt").write_text("no image")
    for kind, greys in {"good": range(19), "photos": (5, 250)}.items():
        (folder / kind).mkdir()
        for grey in greys:
            (folder / kind / f"part, {grey}.png").write_bytes(png(grey))
    (folder / "examples").symlink_to(ROOT / "examples")


@pytest.mark.skipif(not all(map(shutil.which, ("bash", "curl"))), reason="needs bash and curl")
def test_every_command_runs_as_printed(tmp_path: Path) -> None:
    here, gate = tmp_path / "here", tmp_path / "gate"
    here.mkdir()
    gate.touch()
    folder_of_a_reader(here)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with running(tmp_path / "desk", gate) as desk:
        script = FAILING + commands().replace(PRINTED, f"http://127.0.0.1:{desk.port}")
        done = subprocess.run(
            ["bash", "-eu", "-o", "pipefail", "-c", script],
            cwd=here, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        _, batches = desk.ask("GET", "/batches")
        _, stations = desk.ask("GET", "/stations")
    assert done.returncode == 0, done.stderr
    assert PRINTED not in script
    assert done.stdout.startswith('{"id":null,"batch":null,"name":"photo.jpg"')
    counts = {batch["name"]: batch["counts"]["done"] for batch in batches["batches"]}
    assert counts == {"photos": 2, "good tiles": 19, "monday": 2}
    assert [station["name"] for station in stations["stations"]] == ["tiles"]
    assert np.asarray(Image.open(here / "map.png")).dtype == np.uint16
    assert Image.open(here / "overlay.png").size == Image.open(here / "mask.png").size == (32, 24)
    assert "photo.jpg" in (here / "monday.csv").read_text()
    assert re.search(r"NG\t0\.98\d+\tpart, 250\.png\nOK\t0\.0196\d*\tpart, 5\.png\n$", done.stdout)
