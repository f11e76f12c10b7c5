"""The checks of every change: each mark is run by one of them, and none may be skipped there."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SKIPS = {
    "test_of_a_mark": "@pytest.mark.skip(reason='never')\ndef test_one() -> None: ...\n",
    "test_of_a_body": "def test_one() -> None: pytest.skip('not now')\n",
    "test_of_a_fixture": "@pytest.fixture\ndef gone() -> None: pytest.skip('not here')\n"
    "def test_one(gone: None) -> None: ...\n",
    "test_of_a_file": "pytest.importorskip('no_such_package')\ndef test_one() -> None: ...\n",
}


def no_skips(folder: Path) -> str:
    """What pytest says at the end, where the plugin is on."""
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no_skips", "-p", "no:cacheprovider", "-c",
         os.devnull, "--continue-on-collection-errors", str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "tests" / "support")},
        capture_output=True, text=True, check=False, cwd=folder,
    )  # fmt: skip
    assert ended.returncode in {0, 1}, ended.stderr
    return ended.stdout.splitlines()[-1]


def test_a_skip_fails_where_nothing_may_be_skipped(tmp_path: Path) -> None:
    for name, text in SKIPS.items():
        (tmp_path / f"{name}.py").write_text(f"import pytest\n{text}")
    (tmp_path / "test_that_passes.py").write_text("def test_one() -> None: ...\n")
    said = no_skips(tmp_path)
    assert re.search(r"\b1 failed, 1 passed, 3 errors\b", said)  # a skipped set-up is an error
    assert "skipped" not in said


def test_every_mark_that_make_test_leaves_out_is_a_check_of_its_own() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    left_out = re.findall(r"not (\w+)", options["addopts"])
    parts = re.search(r"^for part in (.+); do$", (ROOT / ".ci" / "run").read_text(), re.M)
    run = re.findall(r"\$\(MARKED\) .*-m (\w+)", (ROOT / "Makefile").read_text())
    assert parts
    assert sorted(left_out) == sorted(run)
    assert {"lint", "test", *left_out} == set(parts[1].split())
