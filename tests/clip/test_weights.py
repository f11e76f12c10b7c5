"""Every published layout gives the same backbone; every misfit is refused by name."""

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
import torch
from reference_clips import (
    SPECS,
    features,
    openai_state,
    random_tokens,
    reference,
    save_archive,
    save_transformers,
)
from safetensors.torch import load_file, save_file
from torch import Tensor

from faprompt.clip import weights as weights_module
from faprompt.clip.formats import Format, detect_format
from faprompt.clip.hf_config import check_config
from faprompt.clip.registry import ClipSpec, get_spec
from faprompt.clip.shapes import empty_clip
from faprompt.clip.weights import Backbone, build_state, fingerprint, load_backbone, load_weights
from faprompt.errors import WeightsError

NAMES = list(SPECS)


@pytest.fixture
def canonical(tmp_path: Path) -> Callable[[str], dict[str, Tensor]]:
    """State dict of a reference CLIP under our names."""
    return lambda name: build_state(save_transformers(name, tmp_path / "origin"), SPECS[name])


def assert_same_features(backbone: Backbone, name: str, atol: float = 1e-5) -> None:
    spec, model = SPECS[name], reference(name)
    pixels, tokens = torch.randn(3, 3, spec.native_size, spec.native_size), random_tokens(spec, 5)
    image = features(model.get_image_features(pixel_values=pixels))
    text = features(model.get_text_features(input_ids=tokens))
    torch.testing.assert_close(backbone.clip.encode_image(pixels), image, rtol=0, atol=atol)
    torch.testing.assert_close(backbone.clip.encode_text(tokens), text, rtol=0, atol=atol)
    torch.testing.assert_close(backbone.clip.logit_scale, model.logit_scale, rtol=0, atol=atol)


@pytest.mark.parametrize("name", NAMES)
def test_a_transformers_folder_gives_transformers_features(name: str, tmp_path: Path) -> None:
    folder = save_transformers(name, tmp_path)
    backbone = load_weights(folder, SPECS[name])
    assert_same_features(backbone, name)
    assert backbone.source == str(folder)


@pytest.mark.parametrize("name", NAMES)
def test_the_transformers_bin_file(name: str, tmp_path: Path) -> None:
    folder = save_transformers(name, tmp_path)
    state = load_file(folder / "model.safetensors")
    state["text_model.embeddings.position_ids"] = torch.arange(9)  # old files carry this buffer
    (folder / "model.safetensors").unlink()
    torch.save(state, folder / "pytorch_model.bin")
    assert_same_features(load_weights(folder, SPECS[name]), name)


@pytest.mark.parametrize("name", NAMES)
def test_openai_and_open_clip_layouts(
    name: str, tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    state = canonical(name)
    flat = openai_state(state)
    files = [tmp_path / f for f in ("a.pt", "b.bin", "c.pth", "d.safetensors", "e.x", "f.pt")]
    torch.save(flat, files[0])
    torch.save({"epoch": 3, "state_dict": {f"module.{n}": t for n, t in flat.items()}}, files[1])
    torch.save(state | {"text.attn_mask": torch.zeros(2, 2)}, files[2])
    save_file(flat, files[3])
    save_file(state, files[4])  # the extension decides nothing
    torch.save(flat, files[5], _use_new_zipfile_serialization=False)
    checksums = set()
    for file in files:
        backbone = load_weights(file, SPECS[name])
        assert_same_features(backbone, name)
        checksums.add(backbone.checksum)
    assert checksums == {fingerprint(state)}  # whose weights they are, not whose file


def test_the_fingerprint_sees_every_tensor(canonical: Callable[[str], dict[str, Tensor]]) -> None:
    state = canonical("quick")
    assert fingerprint({name: tensor.half() for name, tensor in state.items()}) == (
        fingerprint(state)
    )
    for name, tensor in state.items():
        changed = tensor.clone()
        changed.view(-1)[-1] += 1
        assert fingerprint(state | {name: changed}) != fingerprint(state)


def test_an_openai_archive_in_half_precision(
    tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    flat = openai_state(canonical("quick"))
    half = {n: t.half() if t.is_floating_point() else t for n, t in flat.items()}
    file = save_archive(half, tmp_path / "clip.pt")
    assert detect_format(file) is Format.TORCHSCRIPT
    backbone = load_weights(file, SPECS["quick"])
    for name, parameter in backbone.clip.state_dict().items():
        assert parameter.dtype is torch.float32
        torch.testing.assert_close(parameter, half[name.removeprefix("text.")].float())
    assert_same_features(backbone, "quick", atol=1e-2)


def test_an_openai_archive_in_full_precision(
    tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    file = save_archive(openai_state(canonical("quick")), tmp_path / "clip.pt")
    assert_same_features(load_weights(file, SPECS["quick"]), "quick")


def test_the_backbone_is_frozen_and_of_the_wanted_precision(tmp_path: Path) -> None:
    folder = save_transformers("exact", tmp_path)
    clip = load_weights(folder, SPECS["exact"], dtype=torch.bfloat16).clip
    assert not clip.training
    assert not any(p.requires_grad or p.is_meta for p in clip.parameters())
    assert {p.dtype for p in clip.parameters()} == {torch.bfloat16}


def test_an_openai_archive_is_not_taken_for_a_gelu_model(
    tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    file = save_archive(openai_state(canonical("exact")), tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match=r"clip\.pt: OpenAI's archive, .* exact has GELU"):
        load_weights(file, SPECS["exact"])


def test_a_transformers_file_without_config_is_loaded_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save_transformers("quick", tmp_path)
    (folder / "config.json").unlink()
    with caplog.at_level(logging.WARNING):
        load_weights(folder / "model.safetensors", SPECS["quick"])
    assert "no config.json beside it" in caplog.text


def broken(state: dict[str, Tensor], fault: str) -> dict[str, Tensor]:
    if fault == "missing":
        del state["visual.ln_pre.weight"]
    elif fault == "unknown":
        state["visual.extra"] = torch.zeros(1)
    elif fault == "shape":
        state["visual.proj"] = state["visual.proj"].T.contiguous()
    elif fault == "type":
        state["visual.proj"] = state["visual.proj"].to(torch.int64)
    elif fault == "nan":
        state["text.ln_final.bias"][0] = torch.nan
    return state


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ("missing", r"1 tensors missing \(visual\.ln_pre\.weight\)"),
        ("unknown", r"1 tensors unknown \(visual\.extra\)"),
        ("shape", r"visual\.proj has shape \(48, 96\), expected \(96, 48\)"),
        ("type", r"visual\.proj has type torch\.int64, expected floating point"),
        ("nan", r"text\.ln_final\.bias holds values that are not finite"),
    ],
)
def test_a_misfit_names_file_tensor_found_and_expected(
    fault: str, text: str, tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    file = tmp_path / "w.safetensors"
    save_file(broken(canonical("quick"), fault), file)
    with pytest.raises(WeightsError, match=rf"w\.safetensors: not the weights of quick: {text}"):
        load_weights(file, SPECS["quick"])


def test_a_misfit_says_which_backbone_the_file_fits(tmp_path: Path) -> None:
    shapes = empty_clip(get_spec("tiny")).state_dict()
    save_file({n: torch.zeros(t.shape) for n, t in shapes.items()}, tmp_path / "t.safetensors")
    with pytest.raises(WeightsError, match=r"not the weights of ViT-B-16: .* It fits tiny"):
        load_backbone("ViT-B-16", weights=tmp_path / "t.safetensors")


def test_incomplete_projections_are_refused(tmp_path: Path) -> None:
    folder = save_transformers("quick", tmp_path)
    state = load_file(folder / "model.safetensors")
    del state["vision_model.encoder.layers.1.self_attn.k_proj.weight"]
    save_file(state, folder / "model.safetensors")
    with pytest.raises(WeightsError, match=r"model\.safetensors: visual\..*resblocks\.1"):
        load_weights(folder, SPECS["quick"])


def test_other_networks_are_refused(tmp_path: Path) -> None:
    save_file({"fc.weight": torch.zeros(2)}, tmp_path / "resnet.safetensors")
    with pytest.raises(WeightsError, match=r"resnet\.safetensors: .* not a CLIP's: fc\.weight"):
        load_weights(tmp_path / "resnet.safetensors", SPECS["quick"])


def test_a_published_file_name_with_other_content_is_refused(
    tmp_path: Path, canonical: Callable[[str], dict[str, Tensor]]
) -> None:
    spec = replace(SPECS["quick"], sha256={"clip.pt": "0" * 64})
    torch.save(openai_state(canonical("quick")), tmp_path / "clip.pt")
    with pytest.raises(WeightsError, match=r"clip\.pt: damaged: .*download it again"):
        load_weights(tmp_path / "clip.pt", spec)


def test_a_file_of_the_hub_cache_is_checked_against_its_own_name(tmp_path: Path) -> None:
    folder = save_transformers("quick", tmp_path / "snapshots")
    (tmp_path / "blobs").mkdir()
    blob = tmp_path / "blobs" / ("ab" * 32)
    (folder / "model.safetensors").rename(blob)
    (folder / "model.safetensors").symlink_to(blob)
    with pytest.raises(WeightsError, match=r"damaged: its SHA-256 is"):
        load_weights(folder, SPECS["quick"])
    blob.rename(blob.with_name(sha256(blob.read_bytes()).hexdigest()))
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(next((tmp_path / "blobs").iterdir()))
    assert_same_features(load_weights(folder, SPECS["quick"]), "quick")


def test_the_weights_of_another_known_model_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = save_transformers("quick", tmp_path)
    digest = sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    monkeypatch.setattr(weights_module, "known_files", lambda: {digest: "ViT-L-14"})
    with pytest.raises(WeightsError, match=r"these are the weights of ViT-L-14, not of quick"):
        load_weights(folder, SPECS["quick"])


def change(config: dict[str, object], field: str, value: object) -> None:
    *sections, name = field.split(".")
    for section in sections:
        config = config.setdefault(section, {})  # type: ignore[assignment]
    config[name] = value


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("projection_dim", 9, "48"),
        ("text_config.hidden_act", "gelu", "'quick_gelu'"),
        ("vision_config.hidden_act", "gelu", "'quick_gelu'"),
        ("vision_config.num_attention_heads", 3, "2"),
        ("vision_config.image_size", 40, "32"),
        ("vision_config.layer_norm_eps", 1e-6, "1e-05"),
        ("text_config.num_hidden_layers", 5, "2"),
        ("text_config.intermediate_size", 7, "256"),
        ("text_config.vocab_size", 7, "100"),
        ("vision_config_dict.patch_size", 7, "8"),
    ],
)
def test_every_field_of_config_json_is_checked(
    field: str, value: object, expected: str, tmp_path: Path
) -> None:
    folder = save_transformers("quick", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    change(config, field, value)
    (folder / "config.json").write_text(json.dumps(config))
    named = field.replace("_dict", "")
    with pytest.raises(WeightsError, match=rf"config\.json: .*{named} is {value!r}, .* {expected}"):
        load_weights(folder, SPECS["quick"])


@pytest.mark.parametrize("text", ["{", "[]", '{"model_type": "siglip"}', '"clip"'])
def test_a_config_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    folder = save_transformers("quick", tmp_path)
    (folder / "config.json").write_text(text)
    with pytest.raises(WeightsError, match=r"config\.json: (not a readable|the configuration of)"):
        load_weights(folder, SPECS["quick"])


def test_left_out_fields_have_transformers_defaults(tmp_path: Path) -> None:
    spec: ClipSpec = get_spec("ViT-B-32")
    (tmp_path / "config.json").write_text('{"text_config": null, "vision_config": {}}')
    check_config(tmp_path / "config.json", spec)
    with pytest.raises(WeightsError, match="hidden_size is 768, expected 1024"):
        check_config(tmp_path / "config.json", get_spec("ViT-L-14"))
