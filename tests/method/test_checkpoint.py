"""Checkpoints: complete, whole, and refused with reason where they do not belong."""

import json
import pickle
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from faprompt.clip.weights import Backbone
from faprompt.config import MethodConfig, TrainingConfig
from faprompt.errors import CheckpointError
from faprompt.method.checkpoint import (
    HEADER_KEY,
    Header,
    build_network,
    library_versions,
    read_checkpoint,
    save_checkpoint,
)
from faprompt.method.golden_case import GoldenCase
from faprompt.method.network import FAPrompt

CASE = GoldenCase(seed=1, embed=64, native=28, vlayers=20, vwidth=64, tlayers=9, batch=2, size=56)
CONFIG = MethodConfig(num_abnormality_prompts=3, num_prior_patches=4)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone(CASE.clip(), CASE.spec, "0123456789abcdef", "recipe")


@pytest.fixture(scope="module")
def network(backbone: Backbone) -> FAPrompt:
    torch.manual_seed(0)
    return FAPrompt(backbone.clip, CONFIG)


@pytest.fixture
def header(backbone: Backbone) -> Header:
    return Header(
        method=CONFIG,
        training=TrainingConfig(seed=5),
        backbone="golden",
        backbone_checksum=backbone.checksum,
        input_size=56,
        epoch=7,
        data=({"name": "parts", "normal": 3, "anomalous": 4, "sha256": "f" * 64},),
        metrics={"image_auroc": 0.75, "pixel_aupro": None},
        colour_limits=(0.25, 0.875),
        versions=library_versions(),
    )


@pytest.fixture
def path(tmp_path: Path, network: FAPrompt, header: Header) -> Path:
    path = tmp_path / "prompts.safetensors"
    save_checkpoint(path, network.learner.state_dict(), header)
    return path


def test_everything_comes_back(path: Path, network: FAPrompt, header: Header) -> None:
    found, state = read_checkpoint(path)
    assert found == header
    learner = network.learner.state_dict()
    assert state.keys() == learner.keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in learner.items())


def test_the_file_holds_learnable_tensors_only(path: Path, network: FAPrompt) -> None:
    values = sum(p.numel() for p in network.learner.parameters())
    header_bytes = 8 + int.from_bytes(path.read_bytes()[:8], "little")
    assert path.stat().st_size == header_bytes + 4 * values


def test_prompts_on_their_backbone_score_as_before(
    path: Path, network: FAPrompt, backbone: Backbone
) -> None:
    loaded = build_network(*read_checkpoint(path), backbone, path=path)
    with torch.no_grad():
        dual = backbone.clip.visual.dual(CASE.images())
        before, after = (n(dual.image, dual.patches()) for n in (network, loaded))
    assert torch.equal(before.image_score, after.image_score)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())


def test_another_backbone_is_refused_with_both_names(path: Path, backbone: Backbone) -> None:
    other = replace(backbone, spec=replace(backbone.spec, name="ViT-B-16"))
    with pytest.raises(CheckpointError, match=r"learned on golden, .* given is ViT-B-16"):
        build_network(*read_checkpoint(path), other, path=path)


def test_other_weights_of_the_same_backbone_are_refused(path: Path, backbone: Backbone) -> None:
    other = replace(backbone, checksum="fedcba9876543210")
    with pytest.raises(
        CheckpointError, match=r"golden with weights 0123456789ab, .*golden with weights fedcba9876"
    ):
        build_network(*read_checkpoint(path), other, path=path)


def test_a_checkpoint_of_another_network_is_refused(
    path: Path, network: FAPrompt, header: Header, backbone: Backbone
) -> None:
    save_checkpoint(path, network.learner.state_dict(), replace(header, network="coop"))
    with pytest.raises(CheckpointError, match=r"learned by 'coop', needed is .* of 'faprompt'"):
        build_network(*read_checkpoint(path), backbone, path=path)


def test_a_checkpoint_of_the_first_release_still_loads(path: Path, backbone: Backbone) -> None:
    def age(_: dict[str, Tensor], header: dict[str, Any]) -> None:
        del header["network"], header["method"]["use_prior"]

    _rewrite(path, age)
    header, state = read_checkpoint(path)
    assert (header.network, header.method.use_prior) == ("faprompt", True)
    build_network(header, state, backbone, path=path)


def _rewrite(path: Path, change: Callable[[dict[str, Tensor], dict[str, Any]], None]) -> None:
    header, state = read_checkpoint(path)
    values = json.loads(header.to_json())
    change(state, values)
    save_file(state, path, metadata={HEADER_KEY: json.dumps(values)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("prior.linear1.bias"), r"names differ .*\['prior\.linear1\.bias'\]"),
        (lambda s: s.update(extra=torch.zeros(1)), r"names differ .*\['extra'\]"),
        (
            lambda s: s.update({"prior.linear2.bias": torch.zeros(3)}),
            r"prior\.linear2\.bias has shape \(3,\), needed is \(64,\)",
        ),
        (
            lambda s: s["prior.linear2.bias"].fill_(float("nan")),
            r"prior\.linear2\.bias holds what is not a finite number",
        ),
        (
            lambda s: s.update({"prior.linear2.bias": torch.zeros(64, dtype=torch.int32)}),
            r"prior\.linear2\.bias holds what is not a finite number",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    change: Callable[..., None], message: str, path: Path, backbone: Backbone
) -> None:
    _rewrite(path, lambda state, _: change(state))
    with pytest.raises(CheckpointError, match=rf"prompts\.safetensors: .*{message}"):
        build_network(*read_checkpoint(path), backbone, path=path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "damaged header"),
        ({"format_version": 2}, "format version 2, this release reads 1: update faprompt"),
        ({"method": {"num_abnormality_prompt": 3}}, "did you mean 'num_abnormality_prompts'"),
        ({"method": {"temperature": 0}}, "temperature must be above 0"),
        ({"method": {"temperature": "warm"}}, "temperature must be a number, got 'warm'"),
        ({"method": []}, "damaged header"),
        ({"training": {"epochs": 0}}, "epochs must be at least 1"),
        ({"extra": 1}, "unknown setting 'extra'"),
        ({"backbone": 3}, "damaged header .*backbone is a int"),
        ({"backbone_checksum": None}, "damaged header .*backbone_checksum is a NoneType"),
        ({"input_size": "56"}, "damaged header .*input_size is a str"),
        ({"input_size": 0}, "damaged header .*input_size is 0"),
        ({"epoch": 1.5}, "damaged header .*epoch is a float"),
        ({"colour_limits": [0.5]}, "damaged header"),
        ({"colour_limits": ["low", "high"]}, "damaged header"),
        ({"data": {}}, "damaged header .*data is a dict"),
        ({"metrics": []}, "damaged header .*metrics is a list"),
        ({"network": 1}, "damaged header .*network is a int"),
    ],
)
def test_a_damaged_header_is_one_error(change: dict[str, Any], message: str, path: Path) -> None:
    _rewrite(path, lambda _, header: header.update(change))
    with pytest.raises(CheckpointError, match=rf"prompts\.safetensors: .*{message}"):
        read_checkpoint(path)


@pytest.mark.parametrize("missing", ["format", "method", "backbone", "input_size", "preset"])
def test_a_header_with_something_missing_is_one_error(missing: str, path: Path) -> None:
    _rewrite(path, lambda _, header: header.pop(missing))
    with pytest.raises(CheckpointError, match=r"prompts\.safetensors: damaged header"):
        read_checkpoint(path)


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "3", "[" * 9999])
def test_a_header_that_is_no_record_is_one_error(text: str, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "a", metadata={HEADER_KEY: text})
    with pytest.raises(CheckpointError, match="a: damaged header"):
        read_checkpoint(tmp_path / "a")


class _Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("touched"),)


def test_any_flipped_bit_of_the_tensors_is_seen(path: Path) -> None:
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    for place in range(start, len(content), (len(content) - start) // 20):
        flipped = bytearray(content)
        flipped[place] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match=r"damaged: its content is not what was written"):
            read_checkpoint(path)


@pytest.mark.parametrize("change", [{"epoch": 8}, {"colour_limits": [0.1, 0.2]}])
def test_a_header_that_was_changed_is_seen(change: dict[str, Any], path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["faprompt"])
    save_file(load_file(path), path, {"faprompt": json.dumps(header | change)})
    with pytest.raises(CheckpointError, match=r"damaged: its content is not what was written"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_abnormality_prompts": 10**9}, r"abnormal_tokens has shape .* needed is"),
        ({"num_prior_patches": 10**7}, r"prior\.linear1\.weight has shape"),
        ({"num_normal_tokens": 10**30}, "settings of no possible network|whole number"),
        ({"blur_sigma": 1e12}, "blur_sigma must be at most 1000"),
    ],
)
def test_a_header_that_claims_a_huge_network_takes_no_memory(
    change: dict[str, Any], message: str, path: Path, backbone: Backbone
) -> None:
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["faprompt"])
    header["method"] |= change
    del header["sha256"]
    save_file(load_file(path), path, {"faprompt": json.dumps(header)})
    with pytest.raises(CheckpointError, match=message):
        build_network(*read_checkpoint(path), backbone, path=path)


def test_no_pickle_is_ever_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, write in (
        ("plain.safetensors", lambda p: p.write_bytes(pickle.dumps(_Evil()))),
        ("torch.safetensors", lambda p: torch.save({"x": _Evil()}, p)),
    ):
        path = tmp_path / name
        write(path)
        with pytest.raises(CheckpointError, match=rf"{name}: not a readable .*import-checkpoint"):
            read_checkpoint(path)
    assert not (tmp_path / "touched").exists()


def test_foreign_and_missing_files_say_what_they_are(tmp_path: Path) -> None:
    save_file({"visual.proj": torch.zeros(2)}, tmp_path / "clip.safetensors")
    with pytest.raises(CheckpointError, match=r"not learned prompts .*Backbone weights go to --we"):
        read_checkpoint(tmp_path / "clip.safetensors")
    for missing in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(CheckpointError, match="no such file; needed is a checkpoint written"):
            read_checkpoint(missing)


@settings(max_examples=80)
@given(cut=st.floats(0, 0.999), flip=st.integers(0, 2**16), bit=st.integers(0, 7))
def test_cut_and_flipped_files_load_or_are_refused(cut: float, flip: int, bit: int) -> None:
    """Never another exception. A flipped bit inside the numbers cannot be seen."""
    header = Header(method=CONFIG, backbone="b", backbone_checksum="c", input_size=56)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed"
        save_checkpoint(path, {"x": torch.ones(9)}, header)
        content = path.read_bytes()
        path.write_bytes(content[: int(cut * len(content))])
        with pytest.raises(CheckpointError, match="fuzzed: "):
            read_checkpoint(path)
        flipped = bytearray(content)
        flipped[flip % len(content)] ^= 1 << bit
        path.write_bytes(flipped)
        with suppress(CheckpointError):
            read_checkpoint(path)
