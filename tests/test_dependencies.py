"""What an installation brings: little by default, and all of it pinned."""

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_IN_THE_CORE = {
    "fastapi", "starlette", "uvicorn", "flask", "django", "tornado", "gunicorn", "aiohttp",
    "ray", "dask", "matplotlib", "plotly", "seaborn", "bokeh", "altair", "pandas",
    "scikit-learn", "scipy", "transformers", "torchvision", "open-clip-torch", "onnx",
    "onnxruntime", "openvino", "pyarrow", "pytest", "hypothesis", "atheris", "playwright",
}  # fmt: skip


def name_of(requirement: Requirement) -> str:
    return requirement.name.lower().replace("_", "-").replace(".", "-")


def applies(requirement: Requirement, extras: set[str]) -> bool:
    """Whether a requirement holds here, with these extras asked for."""
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in {"", *extras})


def closure(requirements: list[str]) -> set[str]:
    """Names of everything that an installer would bring here, found in installed metadata."""
    found: dict[str, set[str]] = {}
    todo = [(Requirement(text), set[str]()) for text in requirements]
    while todo:
        requirement, extras = todo.pop()
        if not applies(requirement, extras):
            continue
        name = name_of(requirement)
        if name in found and requirement.extras <= found[name]:
            continue
        found[name] = found.get(name, set()) | requirement.extras
        try:
            inner = requires(requirement.name) or []
        except PackageNotFoundError:
            continue  # of another build of torch
        todo += [(Requirement(text), set(requirement.extras)) for text in inner]
    return set(found)


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in pairs}


def test_the_core_brings_no_server_no_cluster_and_no_plots() -> None:
    brought = closure(PROJECT["dependencies"])
    assert {"torch", "numpy", "pillow"} <= brought
    assert not brought & NOT_IN_THE_CORE


def test_the_walk_sees_what_an_extra_brings() -> None:
    onnx = PROJECT["optional-dependencies"]["onnx"]
    assert "onnxruntime" in closure([*PROJECT["dependencies"], *onnx])


@pytest.mark.parametrize("part", ["dependencies", *PROJECT["optional-dependencies"]])
def test_everything_that_make_installs_is_pinned_with_all_it_pulls_in(part: str) -> None:
    extras = PROJECT["optional-dependencies"]
    asked = PROJECT["dependencies"] if part == "dependencies" else extras[part]
    own = [text for text in asked if name_of(Requirement(text)) != "faprompt"]
    missing = closure(own) - pinned().keys()
    assert not missing, f"{part}: not in constraints.txt: {sorted(missing)}"


def test_every_pin_is_one_exact_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line]
    assert all(line.startswith("#") or line.count("==") == 1 for line in lines)
    assert len(pinned()) == len([line for line in lines if not line.startswith("#")])


def test_the_lock_is_in_step_with_the_pins() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()[1:]
    wanted = re.compile(r"(?P<name>\S+)==(?P<version>\S+) --hash=sha256:[0-9a-f]{64}")
    found = [match for match in map(wanted.fullmatch, lines) if match]
    assert len(found) == len(lines)
    locked = {name_of(Requirement(match["name"])): match["version"] for match in found}
    unlike = {name: version for name, version in locked.items() if pinned().get(name) != version}
    assert not unlike, f"in requirements.lock, not so in constraints.txt: {unlike}: make lock"
    missing = closure(PROJECT["dependencies"]) - locked.keys()
    assert not missing, f"not in requirements.lock: {sorted(missing)}: make lock"
