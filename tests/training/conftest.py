"""One micro backbone, and one labelled folder per test."""

from pathlib import Path

import pytest
from micro import make_backbone, make_folder

from faprompt.clip.weights import Backbone
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts")


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder)
