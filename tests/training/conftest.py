"""One micro backbone, and one labelled folder per test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from micro_training import make_backbone, make_folder

from faprompt.clip.weights import Backbone
from faprompt.data.datasets import load_dataset
from faprompt.data.samples import Dataset


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost micro networks more than they save."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def backbone() -> Backbone:
    return make_backbone()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path / "parts")


@pytest.fixture
def dataset(folder: Path) -> Dataset:
    return load_dataset(folder)
