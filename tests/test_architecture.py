"""The dependency direction drawn in docs/architecture.md, checked."""

import ast
from pathlib import Path

import pytest

SRC = Path(__file__).parents[1] / "src" / "faprompt"
LAYERS = [
    ["errors"],
    ["files", "heap", "config"],
    ["clip", "metrics", "data"],
    ["method"],
    ["training", "detection"],
    ["runtime"],
    ["protocol", "pretrain", "deploy", "scale"],
    ["cli"],
]  # low to high
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


def imported_parts(path: Path) -> set[str]:
    parts: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "faprompt":
                names = [f"faprompt.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            head, *rest = name.split(".")
            if head == "faprompt" and rest and not rest[0].startswith("__"):
                parts.add(rest[0])
    return parts


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.py")), ids=lambda p: str(p.relative_to(SRC)))
def test_imports_point_strictly_downwards(path: Path) -> None:
    part = path.relative_to(SRC).with_suffix("").parts[0]
    if part in {"__init__", "__main__"}:
        return
    upward = {p for p in imported_parts(path) - {part} if LEVEL.get(p, 99) >= LEVEL[part]}
    assert not upward, f"{part} may not import {sorted(upward)}"


def test_modules_stay_small() -> None:
    long = {
        str(p.relative_to(SRC)): n
        for p in SRC.rglob("*.py")
        if (n := len(p.read_text().splitlines())) > 400
    }
    assert not long
