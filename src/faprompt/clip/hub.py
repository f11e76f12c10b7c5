"""Where weight files are: in the package, in a folder, in the Hugging Face cache or on its hub."""

import logging
import re
from pathlib import Path

from faprompt.clip.registry import ClipSpec
from faprompt.errors import WeightsError, first_line
from faprompt.files import expanded

_logger = logging.getLogger(__name__)

ASSETS = Path(__file__).parents[1] / "assets"
EMBEDDED = "tiny"
WEIGHT_FILES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
"""Weight files of a folder or hub repository, the preferred first."""
COMPANIONS = ("config.json", "tokenizer.json")
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
FILE_SUFFIXES = {".bin", ".pt", ".pth", ".ckpt", ".safetensors"}
REACH_TIMEOUT = 10.0  # seconds until the hub counts as out of reach
OPENAI_URL = "https://openaipublic.azureedge.net/clip/models"


def locate(spec: ClipSpec, weights: Path | str | None = None) -> tuple[Path, str]:
    """Find (or download) the weight file of ``spec``.

    Args:
        spec: The backbone.
        weights: A file, a folder holding one, or a hub id; by default the embedded file
            (``tiny``), else the cache of the registered hub id, else its download.

    Returns:
        The file and where it came from, in words.

    Raises:
        WeightsError: there is none; the text says what is missing, where it comes from and how
            to give it.
    """
    if weights is None:
        if spec.name == EMBEDDED:
            return embedded_file(f"{EMBEDDED}.safetensors"), "embedded in the package"
        if spec.hub_id is None:
            raise WeightsError(f"{spec.name}: not published; name a file with --weights PATH")
        return from_hub(spec.hub_id, spec), f"hub {spec.hub_id}"
    path = expanded(weights)
    if path.exists():
        return weight_file(path), str(path)
    if HUB_ID.fullmatch(str(weights)) and path.suffix not in FILE_SUFFIXES:
        return from_hub(str(weights), spec), f"hub {weights}"
    raise WeightsError(f"{weights}: no such file or folder; {where_from(spec)}")


def embedded_file(name: str) -> Path:
    """Path of a file of the embedded backbone.

    Raises:
        WeightsError: this installation lacks it.
    """
    path = ASSETS / EMBEDDED / name
    if not path.is_file():
        raise WeightsError(
            f"{path}: the embedded backbone's file is missing from this installation; install "
            "faprompt again, or name a file of your own with --weights or --tokenizer"
        )
    return path


def weight_file(path: Path) -> Path:
    """Return ``path``, or the preferred weight file where it is a folder.

    Raises:
        WeightsError: the folder holds none.
    """
    if not path.is_dir():
        return path
    for name in WEIGHT_FILES:
        if (path / name).is_file():
            return path / name
    sharded = any(path.glob("*.index.json"))
    raise WeightsError(
        f"{path}: no weight file in this folder; needed is one of {', '.join(WEIGHT_FILES)}"
        + (" (weights in several shards are not read: save them as one file)" if sharded else "")
    )


def cached(hub_id: str, names: tuple[str, ...] = WEIGHT_FILES) -> Path | None:
    """First of ``names`` that the Hugging Face cache holds for ``hub_id``; no network."""
    from huggingface_hub import try_to_load_from_cache

    for name in names:
        found = try_to_load_from_cache(hub_id, name)
        if isinstance(found, str):
            return Path(found)
    return None


def from_hub(hub_id: str, spec: ClipSpec) -> Path:
    """Weight file of a hub repository: from the cache, else downloaded."""
    return cached(hub_id) or download(hub_id, spec)


def download(hub_id: str, spec: ClipSpec) -> Path:
    """Download weights, configuration and vocabulary into the Hugging Face cache.

    An interrupted download is continued; progress is shown by ``huggingface_hub``.

    Raises:
        WeightsError: no network (or offline mode), no such repository, or nothing usable in it.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import LocalEntryNotFoundError

    if constants.HF_HUB_OFFLINE:
        raise WeightsError(_missing(hub_id, spec, "offline mode: HF_HUB_OFFLINE is set"))
    try:
        _reach(constants.ENDPOINT)
        for name in COMPANIONS:
            _download_one(hub_id, name)
        for name in WEIGHT_FILES:
            if path := _download_one(hub_id, name):
                return path
    except LocalEntryNotFoundError as error:
        raise WeightsError(_missing(hub_id, spec, "no connection")) from error
    except Exception as error:  # network libraries differ between versions of the hub's client
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise WeightsError(_missing(hub_id, spec, reason)) from error
    raise WeightsError(f"hub {hub_id}: holds none of {', '.join(WEIGHT_FILES)}; {where_from(spec)}")


def _reach(endpoint: str) -> None:
    """Fail at once without network, where the hub's client would try for half a minute."""
    from huggingface_hub import get_session

    get_session().head(endpoint, timeout=REACH_TIMEOUT)


def _download_one(hub_id: str, name: str) -> Path | None:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    try:
        return Path(hf_hub_download(hub_id, name))
    except LocalEntryNotFoundError:
        raise
    except EntryNotFoundError:
        _logger.info("hub %s has no %s", hub_id, name)
        return None


def _missing(hub_id: str, spec: ClipSpec, reason: str) -> str:
    return (
        f"{spec.name}: {WEIGHT_FILES[0]} of {hub_id} is not on this machine and cannot be "
        f"downloaded ({reason}); {where_from(spec)}"
    )


def where_from(spec: ClipSpec) -> str:
    """Advice: where the weights of ``spec`` come from and how to give them."""
    sources = [f"https://huggingface.co/{spec.hub_id}"] if spec.hub_id else []
    sources += [f"{OPENAI_URL}/{sha256}/{file}" for file, sha256 in spec.sha256.items()]
    if not sources:
        return f"name the weights of {spec.name} with --weights PATH"
    return (
        f"get the weights of {spec.name} from {' or '.join(sources)}, put them anywhere and name "
        f"them with --weights PATH; or run `faprompt models fetch {spec.name}` with a network"
    )
