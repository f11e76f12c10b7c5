"""What is fuzzed: every reader of what a stranger may hand over, and inputs to begin with.

A target takes any bytes, hands them to a reader as it would meet them (a file of the name that the
reader expects) and returns, or raises a ``FAPromptError``. Anything else is a finding.
"""

import io
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from math import prod
from pathlib import Path
from random import Random
from typing import Any

import mutations
import numpy as np
import torch
from detection_targets import (
    label_seeds,
    labels,
    polygon_seeds,
    polygons,
    prediction_seeds,
    predictions,
    region_rows,
    region_seeds,
    watch_log,
    watch_seeds,
)
from http_target import SEEDS, http_api, mutate_http
from mutations import Mutation
from parquet_targets import (
    manifest_parquet,
    parquet_seeds,
    parquet_table,
    sharded_run,
    sharded_seeds,
    table_seeds,
)
from PIL import Image
from safetensors.torch import save
from station_target import mutate_station, station, station_seeds

from faprompt.clip.hf_config import check_config
from faprompt.clip.inspection import inspect_file
from faprompt.clip.model import Clip
from faprompt.clip.registry import ClipSpec, PromptTokens, TowerSize, get_spec
from faprompt.clip.safe_pickle import load_torchscript, safe_load_pickle
from faprompt.clip.weights import Backbone, load_weights
from faprompt.config import MethodConfig, parse_assignments, read_toml, train_settings
from faprompt.data.datasets import load_dataset
from faprompt.data.hashing import content_hash
from faprompt.data.images import image_size, open_image
from faprompt.data.layouts.tables import rows_of
from faprompt.data.masks import read_mask
from faprompt.data.samples import Dataset, Sample
from faprompt.detection.outputs import PredictionFolder
from faprompt.errors import FAPromptError
from faprompt.files import parse_json
from faprompt.method.checkpoint import HEADER_KEY, Header, build_network, read_checkpoint
from faprompt.method.importing import import_released
from faprompt.method.network import FAPrompt
from faprompt.pretrain.recipe import load_recipe
from faprompt.protocol.cells import CellStore
from faprompt.protocol.plan import load_plan
from faprompt.runtime.description import FORMAT_VERSION, Description
from faprompt.training.run_files import Log, RunFiles, check_claim, load_resume

SPEC = ClipSpec(
    name="nano",
    image=TowerSize(layers=1, width=8, heads=1),
    text=TowerSize(layers=1, width=4, heads=1),
    embed_dim=4,
    patch_size=4,
    native_size=8,
    default_size=8,
    dual_blocks=1,
    quick_gelu=True,
    context_length=16,
    vocab_size=8,
    tokens=PromptTokens(start=0, end=1, object=2, damaged=3, full_stop=4),
)
METHOD = MethodConfig(
    num_abnormality_prompts=2, num_deep_prompts=0, num_prior_patches=2, prior_reduction=4
)
REQUEST = {"network": "faprompt", "method": {}, "training": {"seed": 1}, "input_size": 8}
MAX_PIXELS = 2**20


@dataclass(frozen=True, slots=True)
class Target:
    """One reader."""

    run: Callable[[bytes, Path], object]
    """Hands the bytes to the reader; the folder is there for files, and may hold older ones."""
    seeds: Callable[[], list[bytes]]
    """Inputs to begin with, one accepted and one refused among them."""
    max_bytes: int = 4096
    mutate: Mutation | None = None
    """Changes that keep the form of an input, made in turn with changes of any bytes."""


@cache
def backbone() -> Backbone:
    """A CLIP of 2,000 numbers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Backbone(Clip(SPEC).frozen(), SPEC, checksum="0" * 64, source="random")


def flat_state() -> dict[str, torch.Tensor]:
    """Its weights under OpenAI's names."""
    state = backbone().clip.state_dict()
    return {name.removeprefix("text."): value.detach().clone() for name, value in state.items()}


def image(data: bytes, folder: Path) -> None:
    """An image file, as picture, by its header, and as mask."""
    path = folder / "x.png"
    path.write_bytes(data)
    try:
        open_image(path, MAX_PIXELS)
    except FAPromptError:
        image_size(path)
        raise
    read_mask(Sample(image_path=path, class_name="x", label=1, mask_path=path), 8)


def image_seeds() -> list[bytes]:
    """A small picture in every format and several modes."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (6, 5, 3), dtype=np.uint8))
    kinds = [(kind, "RGB") for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000")]
    kinds += [("PNG", "P"), ("PNG", "LA"), ("PNG", "1"), ("TIFF", "CMYK"), ("GIF", "P")]
    kinds += [("PNG", "I;16"), ("TIFF", "F"), ("TIFF", "I"), ("PPM", "L"), ("JPEG", "L")]
    found = []
    for kind, mode in kinds:
        buffer = io.BytesIO()
        changed = picture.convert("L").convert("I") if mode == "I;16" else picture
        exif = Image.Exif()
        exif[0x0112] = 6
        more = {"exif": exif} if kind in {"PNG", "JPEG", "TIFF", "WEBP"} else {}
        changed.convert(mode).save(buffer, format=kind, **more)
        found.append(buffer.getvalue())
    return found


def _data_set(spec: str | Path) -> None:
    _look_at(load_dataset(spec))


def _look_at(dataset: Dataset) -> None:
    """Read what a list names, as every command does next."""
    for sample in dataset.samples[:3]:
        for path in filter(None, (sample.image_path, sample.mask_path)):
            for read in (content_hash, open_image):
                with suppress(FAPromptError):
                    read(path)
    dataset.counts()


def manifest_csv(data: bytes, folder: Path) -> None:
    """A manifest, as CSV."""
    (folder / "m.csv").write_bytes(data)
    _data_set(folder / "m.csv")


def manifest_jsonl(data: bytes, folder: Path) -> None:
    """A manifest, as JSON lines."""
    (folder / "m.jsonl").write_bytes(data)
    _data_set(folder / "m.jsonl")


def meta_json(data: bytes, folder: Path) -> None:
    """AnomalyCLIP's list of a data set."""
    (folder / "meta.json").write_bytes(data)
    _data_set(f"metajson:{folder}")


def realiad(data: bytes, folder: Path) -> None:
    """Real-IAD's list of a class."""
    for place in ("realiad_jsons", "realiad_1024"):
        (folder / "realiad" / place).mkdir(parents=True, exist_ok=True)
    (folder / "realiad" / "realiad_jsons" / "x.json").write_bytes(data)
    _data_set(f"realiad:{folder / 'realiad'}")


def tables(data: bytes, folder: Path) -> None:
    """The tables that data sets come with; the first byte says which."""
    which, rest = data[:1], data[1:]
    places = {
        b"e": ("elpv", "labels.csv"),
        b"h": ("headct", "labels.csv"),
        b"d": ("dagm", "Class1/Test/Label/Labels.txt"),
        b"v": ("visa", "split_csv/1cls.csv"),
    }
    layout, name = places.get(which, ("", "x.csv"))
    root = folder / (layout or "rows")
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(rest)
    if layout:
        _data_set(f"{layout}:{root}")
    else:
        list(rows_of(root / name, ["a"]))


def checkpoint(data: bytes, folder: Path) -> None:
    """Learned prompts, put on their backbone."""
    path = folder / "x.safetensors"
    path.write_bytes(data)
    header, state = read_checkpoint(path)
    build_network(header, state, backbone(), path=path)


def checkpoint_header(data: bytes, folder: Path) -> None:
    """The header that a checkpoint tells of itself with, in a file that is whole."""
    text = data.decode(errors="replace")
    learner = FAPrompt(backbone().clip, METHOD).learner.state_dict()
    checkpoint(save(learner, {HEADER_KEY: text}), folder)


def _header() -> Header:
    return Header(
        method=METHOD, backbone="nano", backbone_checksum="0" * 64, input_size=8,
        data=({"name": "x"},),
    )  # fmt: skip


def checkpoint_seeds() -> list[bytes]:
    """One that loads."""
    learner = FAPrompt(backbone().clip, METHOD).learner.state_dict()
    return [save(learner, {HEADER_KEY: _header().to_json()})]


def weights(data: bytes, folder: Path) -> None:
    """A weight file of any container, as a backbone and as something unknown."""
    path = folder / "x.pt"
    path.write_bytes(data)
    try:
        load_weights(path, SPEC)
    except FAPromptError:
        inspect_file(path)


def weight_seeds() -> list[bytes]:
    """The same CLIP as safetensors, in both forms of torch's pickles, and as an archive."""
    state = flat_state()
    found = [save(state), save({n: v.half() for n, v in state.items()})]
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"state_dict": state}, buffer, _use_new_zipfile_serialization=new)
        found.append(buffer.getvalue())
    return [*found, archive(archive_pickle())]


BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "U8": 8, "BOOL": 8, "F8_E4M3": 8,
    "F8_E5M2": 8, "F4": 4,
}  # fmt: skip
MOST_NUMBERS = 65_536
"""Bytes of numbers that are put behind a table of safetensors."""


def safetensors_header(data: bytes, folder: Path) -> None:
    """Length and table of a safetensors file, before as many zeros as the table speaks of."""
    (folder / "h.safetensors").write_bytes(data + bytes(_claimed(data[8:])))
    try:
        load_weights(folder / "h.safetensors", SPEC)
    except FAPromptError:
        read_checkpoint(folder / "h.safetensors")


def _claimed(table: bytes) -> int:
    """Bytes of numbers that a table claims, within bounds."""
    try:
        entries = parse_json(table).values()
        ends = [entry["data_offsets"][1] for entry in entries if "shape" in entry]
        return int(min(max(0, *ends), MOST_NUMBERS))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError):
        return 4096


def safetensors_headers() -> list[bytes]:
    """Of prompts, and of a backbone with one tensor of each type of number."""
    found = [_head(content) for content in (save(flat_state()), *checkpoint_seeds())]
    for kind in BITS:
        table = json.loads(found[0][8:])
        table["visual.proj"]["dtype"] = kind
        found.append(_with_length(json.dumps(_laid_out(table)).encode()))
    return found


def mutate_header(data: bytes, rng: Random) -> bytes | None:
    """Change a table, mostly so that its tensors lie one behind the other in a whole file."""
    new = mutations.of_safetensors(data, rng)
    if new is None or rng.random() < 0.3:
        return new
    try:
        return _with_length(json.dumps(_laid_out(json.loads(new[8:]))).encode())
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return new


def _laid_out(table: dict[str, Any]) -> dict[str, Any]:
    """The table with offsets that follow from types and shapes."""
    end = 0
    for entry in table.values():
        if "shape" in entry:
            start, end = end, end + prod(entry["shape"]) * BITS[entry["dtype"]] // 8
            entry["data_offsets"] = [start, end]
    return table


def _head(content: bytes) -> bytes:
    """Length and table of a whole file."""
    return content[: 8 + struct.unpack("<Q", content[:8])[0]]


def _with_length(table: bytes) -> bytes:
    return struct.pack("<Q", len(table)) + table


def archive(pickled: bytes) -> bytes:
    """A TorchScript archive around a ``data.pkl``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("x/constants.pkl", b"\x80\x02).")
        file.writestr("x/data.pkl", pickled)
        for key in "01":
            file.writestr(f"x/data/{key}", bytes(16))
    return buffer.getvalue()


def archive_pickle() -> bytes:
    """A module with one tensor of four numbers."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
        b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQK\x00K\x02K\x02\x86K\x02K\x01\x86\x89"
        b"ccollections\nOrderedDict\n)RtR"
    )
    return b"\x80\x02c__torch__\nM\n)\x81}X\x0b\x00\x00\x00visual.proj" + tensor + b"sb."


def torchscript_pickle(data: bytes, folder: Path) -> None:
    """The pickle inside an archive as OpenAI's are."""
    (folder / "a.pt").write_bytes(archive(data))
    load_torchscript(folder / "a.pt")


def torch_pickle(data: bytes, folder: Path) -> None:
    """A pickle of torch, as backbone and as a released checkpoint."""
    (folder / "p.pth").write_bytes(data)
    try:
        import_released(folder / "p.pth", backbone())
    except FAPromptError:
        safe_load_pickle(folder / "p.pth")


def torch_pickles() -> list[bytes]:
    """Released checkpoints, nearly, in both forms."""
    state = {
        "ctx_pos": torch.zeros(1, 1, 5, 4), "ctx_neg": torch.zeros(1, 2, 2, 4),
        "compound_prompts_text.0": torch.zeros(4, 4),
        "patch_meta_net.linear1.weight": torch.zeros(2, 8),
    }  # fmt: skip
    found = []
    for new in (True, False):
        buffer = io.BytesIO()
        torch.save({"prompt_learner": state}, buffer, _use_new_zipfile_serialization=new)
        found.append(buffer.getvalue())
    return found


def hf_config(data: bytes, folder: Path) -> None:
    """A ``config.json`` of transformers."""
    (folder / "config.json").write_bytes(data)
    check_config(folder / "config.json", get_spec("ViT-B-32"))


def toml(data: bytes, folder: Path) -> None:
    """Settings of training in a file, or as they are typed (after a first byte of ``=``)."""
    if data[:1] == b"=":
        train_settings(parse_assignments([data[1:].decode(errors="replace")]))
        return
    (folder / "x.toml").write_bytes(data)
    train_settings(read_toml(folder / "x.toml"))


def recipe(data: bytes, folder: Path) -> None:
    """A recipe of a pretraining."""
    (folder / "r.toml").write_bytes(data)
    load_recipe(folder / "r.toml")


def recipe_seeds() -> list[bytes]:
    """The shipped one."""
    return [files("faprompt").joinpath("pretrain/recipes/tiny.toml").read_bytes()]


TOML = (
    b'epochs = 3\nselect = "fixed:2"\nlearning_rate = 1e-3\nuse_prior = true\n',
    b"=epochs=3",
    b"blur_sigma = inf",
)


def plan(data: bytes, folder: Path) -> None:
    """The plan of a comparison."""
    (folder / "x.yaml").write_bytes(data)
    load_plan(str(folder / "x.yaml"))


def plan_seeds() -> list[bytes]:
    """The shipped plans; one wants a variable that is not set."""
    os.environ.setdefault("FAPROMPT_DATA", "data")
    folder = files("faprompt.protocol").joinpath("plans")
    return [folder.joinpath(name).read_bytes() for name in ("small.yaml", "tiny.yaml")]


def description(data: bytes, folder: Path) -> None:
    """What an exported model tells of itself."""
    (folder / "model.json").write_bytes(data)
    Description.read(folder)


def description_seeds() -> list[bytes]:
    """One that is read."""
    values = {
        "format": "faprompt-export", "format_version": FORMAT_VERSION, "form": "onnx",
        "precision": "fp32",
        "input_size": 8, "mean": [0, 0, 0], "std": [1, 1, 1], "colour_limits": [0, 1],
        "blur_sigma": 2.0, "checkpoint_sha256": "0", "backbone": "nano", "backbone_checksum": "0",
        "files": {"model.onnx": "0"}, "versions": {}, "parity": {},
    }  # fmt: skip
    return [json.dumps(values).encode()]


def run_records(data: bytes, folder: Path) -> None:
    """What runs find in their own folders when they go on; the first byte says where."""
    which, rest = data[:1], data[1:]
    shutil.rmtree(folder / "run", ignore_errors=True)
    names = {b"p": "predictions.jsonl", b"l": "log.jsonl", b"s": "resume.safetensors"}
    path = folder / "run" / names.get(which, "run.json")
    path.parent.mkdir()
    path.write_bytes(rest)
    if which == b"p":
        (folder / "run" / "run.json").write_text('{"map_format": null}')
        PredictionFolder.open(folder / "run", {}, map_format=None).finish()
    elif which == b"l":
        Log(path, epochs_done=3)
    elif which == b"s":
        load_resume(path)
    elif which == b"c":
        (folder / "run" / "x.json").write_bytes(rest)
        CellStore(folder / "run").read("x")
    elif which == b"t":
        check_claim(RunFiles(folder / "run"), REQUEST)
    else:
        PredictionFolder.open(folder / "run", {"model": "x"}, map_format=None)


def run_seeds() -> list[bytes]:
    """Records as they are written."""
    row = {"path": "a.png", "image_score": 0.5, "width": 1, "height": 2, "milliseconds": 1.5}
    resume = save({"learner.a": torch.zeros(2)}, {"faprompt-resume": '{"epoch":1,"history":[]}'})
    return [
        b"p" + json.dumps(row).encode() + b"\n",
        b'l{"epoch": 3, "loss": 1}\n{"epo',
        b"s" + resume,
        b'c{"classes": [], "recipe": {}}',
        b"t" + json.dumps(REQUEST).encode(),
        b'r{"map_format": null, "model": "x"}',
    ]


ROWS = b"path,label,mask,class,type,mask_rule\na.png,0,,nut,good,auto\nb.png,1,m.png,nut,hole,\n"
LINES = b'{"path": "a.png", "label": 1, "mask": null, "mask_rule": "nonzero", "class": "nut"}\n'
META = {
    "train": {},
    "test": {"nut": [{"img_path": "a.png", "mask_path": "", "cls_name": "nut", "anomaly": 0}]},
}
REALIAD = {
    "meta": {"prefix": "x", "normal_class": "OK"},
    "test": [{"anomaly_class": "OK", "image_path": "a.png", "mask_path": None}],
}
CONFIG = {"model_type": "clip", "projection_dim": 512, "text_config": {}, "vision_config": {}}
TABLES = (
    b"eimages/cell0002.png  1.0  mono\n",
    b"eimages/cell0001.png  0.333  mono\n",
    b"hid, hemorrhage\n0,1\n",
    b"d0001\n0001 1 0001.PNG 0 0001_label.PNG\n",
    b"vobject,split,label,image,mask\nnut,test,normal,a.JPG,\n",
    b"xa,b\n1,2\n",
)

TARGETS = {
    "image": Target(image, image_seeds),
    "manifest_csv": Target(
        manifest_csv,
        lambda: [ROWS, ROWS.replace(b",", b";"), b"label\n0\n"],
        mutate=mutations.of_lines,
    ),
    "manifest_jsonl": Target(
        manifest_jsonl,
        lambda: [LINES, LINES * 2, b'{"label": 0}'],
        mutate=mutations.of_json_lines,
    ),
    "manifest_parquet": Target(manifest_parquet, parquet_seeds, max_bytes=8192),
    "parquet_table": Target(parquet_table, table_seeds, max_bytes=256),
    "meta_json": Target(
        meta_json, lambda: [json.dumps(META).encode(), b"{}"], mutate=mutations.of_json
    ),
    "realiad": Target(
        realiad, lambda: [json.dumps(REALIAD).encode(), b"{}"], mutate=mutations.of_json
    ),
    "tables": Target(
        tables,
        lambda: list(TABLES),
        mutate=mutations.prefixed({bytes([first]): mutations.of_lines for first in b"ehdvx"}),
    ),
    "checkpoint": Target(
        checkpoint,
        lambda: [*checkpoint_seeds(), checkpoint_seeds()[0][:-1]],
        max_bytes=16_384,
        mutate=mutations.of_safetensors,
    ),
    "checkpoint_header": Target(
        checkpoint_header,
        lambda: [_header().to_json().encode(), b"{}"],
        mutate=mutations.of_json,
    ),
    "weights": Target(
        weights,
        lambda: [*weight_seeds(), b"PK\x03\x04"],
        max_bytes=65_536,
        mutate=mutations.of_safetensors,
    ),
    "safetensors_header": Target(
        safetensors_header, safetensors_headers, max_bytes=8192, mutate=mutate_header
    ),
    "torchscript_pickle": Target(
        torchscript_pickle, lambda: [archive_pickle(), b"."], mutate=mutations.of_pickle
    ),
    "torch_pickle": Target(torch_pickle, lambda: [*torch_pickles(), b"\x80\x02."], max_bytes=8192),
    "hf_config": Target(
        hf_config, lambda: [json.dumps(CONFIG).encode(), b"[]"], mutate=mutations.of_json
    ),
    "toml": Target(toml, lambda: list(TOML), mutate=mutations.of_lines),
    "recipe": Target(recipe, lambda: [*recipe_seeds(), b"x = 1"], mutate=mutations.of_lines),
    "plan": Target(plan, plan_seeds, mutate=mutations.of_yaml),
    "description": Target(
        description, lambda: [*description_seeds(), b"{}"], mutate=mutations.of_json
    ),
    "run_records": Target(
        run_records,
        run_seeds,
        mutate=mutations.prefixed(
            dict.fromkeys((b"p", b"l"), mutations.of_json_lines)
            | dict.fromkeys((b"c", b"t", b"r"), mutations.of_json)
            | {b"s": mutations.of_safetensors}
        ),
    ),
    "sharded_run": Target(
        sharded_run,
        sharded_seeds,
        max_bytes=8192,
        mutate=mutations.prefixed(dict.fromkeys((b"p", b"f"), mutations.of_json)),
    ),
    "http_api": Target(http_api, lambda: list(SEEDS), mutate=mutate_http),
    "polygons": Target(polygons, polygon_seeds, mutate=mutations.of_json),
    "labels": Target(labels, label_seeds, mutate=mutations.of_lines),
    "predictions": Target(
        predictions, prediction_seeds, max_bytes=65_536, mutate=mutations.of_json_lines
    ),
    "watch_log": Target(
        watch_log,
        watch_seeds,
        mutate=mutations.prefixed(
            dict.fromkeys((b"r", b"e"), mutations.of_json_lines) | {b"j": mutations.of_json}
        ),
    ),
    "region_rows": Target(region_rows, region_seeds, mutate=mutations.of_json_lines),
    "station": Target(station, station_seeds, max_bytes=16_384, mutate=mutate_station),
}


class Finding(Exception):
    """A reader did what no reader may do."""


MESSAGE = 2000
"""Characters of an error's text, beside what it may repeat of its input."""


def execute(target: Target, data: bytes, folder: Path) -> bool:
    """Run one input; returns whether it was accepted.

    Raises:
        Finding: another exception than a ``FAPromptError``, or a text that has no end.
    """
    try:
        target.run(data, folder)
    except FAPromptError as error:
        if not str(error) or len(str(error)) > MESSAGE + 6 * len(data):
            raise Finding(f"a text of {len(str(error))} characters") from error
        return False
    except Exception as error:
        raise Finding(f"{type(error).__name__}: {error}") from error
    return True
