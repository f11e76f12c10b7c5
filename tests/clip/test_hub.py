"""Finding weights: package, path, cache, hub; and what is said without network."""

from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from faprompt.clip import hub
from faprompt.clip.registry import get_spec
from faprompt.errors import WeightsError

SPEC = get_spec("ViT-B-16")
REPO = "openai/clip-vit-base-patch16"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Hugging Face cache, and no way to the network."""

    def no_network(endpoint: str) -> None:
        raise OSError(f"no route to {endpoint}")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub, "_reach", no_network)
    return tmp_path / "cache"


def put(cache: Path, repo: str, name: str) -> Path:
    folder = cache / f"models--{repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text("abc")
    path = folder / "snapshots" / "abc" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"weights")
    return path


def test_a_cached_repository_needs_no_network(cache: Path) -> None:
    path = put(cache, REPO, "pytorch_model.bin")
    assert hub.locate(SPEC) == (path, f"hub {REPO}")
    preferred = put(cache, REPO, "model.safetensors")
    assert hub.locate(SPEC)[0] == preferred
    other = put(cache, "someone/clip-b16", "model.safetensors")
    assert hub.locate(SPEC, "someone/clip-b16") == (other, "hub someone/clip-b16")


@pytest.mark.parametrize("offline", [True, False])
def test_without_network_one_message_says_it_all(
    offline: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", offline)
    with pytest.raises(WeightsError) as caught:
        hub.locate(SPEC)
    text = str(caught.value)
    for part in (
        "model.safetensors",
        f"https://huggingface.co/{REPO}",
        "https://openaipublic.azureedge.net/clip/models/5806e77c",
        "/ViT-B-16.pt",
        "--weights PATH",
        "faprompt models fetch ViT-B-16",
        "HF_HUB_OFFLINE" if offline else "no route",
    ):
        assert part in text
    assert "\n" not in text


def test_paths_are_files_or_folders(tmp_path: Path) -> None:
    (tmp_path / "x.pt").touch()
    (tmp_path / "pytorch_model.bin").touch()
    assert hub.locate(SPEC, tmp_path / "x.pt") == (tmp_path / "x.pt", str(tmp_path / "x.pt"))
    assert hub.locate(SPEC, str(tmp_path))[0] == tmp_path / "pytorch_model.bin"


@pytest.mark.parametrize("name", ["gone.pt", "folder/gone.pt", "a/b/c", "/no/where"])
def test_a_missing_path_is_named(name: str) -> None:
    with pytest.raises(WeightsError, match=rf"^{name}: no such file or folder; get the weights"):
        hub.locate(SPEC, name)


def test_a_folder_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"no weight file in this folder; needed is one of"):
        hub.locate(SPEC, tmp_path)
    (tmp_path / "model.safetensors.index.json").touch()
    with pytest.raises(WeightsError, match="several shards are not read"):
        hub.locate(SPEC, tmp_path)


def test_tiny_is_embedded_and_its_absence_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "ASSETS", tmp_path)
    with pytest.raises(WeightsError, match=r"tiny\.safetensors: the embedded .* is missing"):
        hub.locate(get_spec("tiny"))
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny.safetensors").touch()
    path, source = hub.locate(get_spec("tiny"))
    assert (path.name, source) == ("tiny.safetensors", "embedded in the package")


def test_a_backbone_without_a_source_asks_for_a_file() -> None:
    with pytest.raises(WeightsError, match="not published; name a file with --weights PATH"):
        hub.locate(replace(SPEC, name="own", hub_id=None))


def fake_repository(tmp_path: Path, *names: str) -> list[str]:
    for name in names:
        (tmp_path / name).touch()
    return list(names)


def serve(monkeypatch: pytest.MonkeyPatch, folder: Path, names: list[str]) -> list[str]:
    """Let ``hf_hub_download`` serve ``names`` of ``folder``; returns the log of requests."""
    asked: list[str] = []

    def download(repo: str, name: str) -> str:
        asked.append(name)
        if name not in names:
            raise EntryNotFoundError(f"404 {repo}/{name}")
        return str(folder / name)

    monkeypatch.setattr(hub, "_reach", lambda _: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return asked


def test_a_download_prefers_safetensors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = fake_repository(tmp_path, "config.json", "model.safetensors", "pytorch_model.bin")
    asked = serve(monkeypatch, tmp_path, names)
    assert hub.locate(SPEC)[0] == tmp_path / "model.safetensors"
    assert asked == ["config.json", "tokenizer.json", "model.safetensors"]


def test_a_download_falls_back_to_bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, tmp_path, fake_repository(tmp_path, "pytorch_model.bin"))
    assert hub.locate(SPEC)[0] == tmp_path / "pytorch_model.bin"


def test_a_repository_without_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(monkeypatch, tmp_path, [])
    with pytest.raises(WeightsError, match=rf"hub {REPO}: holds none of model\.safetensors"):
        hub.locate(SPEC)


def test_a_connection_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(repo: str, name: str) -> str:
        raise LocalEntryNotFoundError("connection lost")

    monkeypatch.setattr(hub, "_reach", lambda _: None)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(WeightsError, match=r"cannot be downloaded \(no connection\)"):
        hub.locate(SPEC)
