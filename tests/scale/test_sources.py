"""What is listed, in which order, and that images elsewhere are the same images."""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from completeness import rows_of
from many_images import draw_images, whole_run
from served import served

from faprompt.data.inputs import to_image
from faprompt.data.remote import fetch
from faprompt.errors import ConfigError, DataError, OutputError
from faprompt.scale.copies import Copies
from faprompt.scale.sources import list_inputs


@pytest.fixture
def memory() -> Iterator[str]:
    """``memory://shop`` with images in two folders, and something else."""
    system = fsspec.filesystem("memory")
    for name in ("b/2.png", "b/1.PNG", "a.jpg", "notes.txt", "b/c/3.png"):
        system.pipe_file(f"/shop/{name}", b"x")
    yield "memory://shop"
    system.rm("/shop", recursive=True)


def write_manifest(path: Path, paths: list[str], column: str = "path") -> Path:
    pq.write_table(pa.table({"weight": [1.0] * len(paths), column: paths}), path)
    return path


def test_folders_are_listed_in_a_fixed_order(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/10.png", "a.png", "b/a/1.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = list(list_inputs([str(tmp_path)]))
    assert found == [str(tmp_path / n) for n in ("a.png", "b/10.png", "b/2.png", "b/a/1.jpg")]


def test_names_are_absolute_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Path(name).touch()
    found = list(list_inputs(["b.png", ".", "*.png", "-"], ["a.png\n", "\n", "gone.png\n"]))
    assert found == [str(tmp_path / name) for name in ("b.png", "a.png", "gone.png")]


def test_results_are_not_inputs(tmp_path: Path) -> None:
    for name in ("a.png", "out/maps/a.png", "outer/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list(list_inputs([str(tmp_path)], exclude=str(tmp_path / "out")))
    assert found == [str(tmp_path / "a.png"), str(tmp_path / "outer" / "b.png")]


def test_folders_and_globs_elsewhere(memory: str) -> None:
    everything = [f"{memory}/{name}" for name in ("a.jpg", "b/1.PNG", "b/2.png", "b/c/3.png")]
    assert list(list_inputs([memory])) == everything
    assert list(list_inputs([memory + "/"])) == everything
    assert list(list_inputs([f"{memory}/b/*.png"])) == [f"{memory}/b/2.png"]
    assert list(list_inputs([f"{memory}/gone.png"])) == [f"{memory}/gone.png"]


def test_a_manifest_is_read_in_its_order(tmp_path: Path) -> None:
    names = ["z.png", "a/b.png", "/data/c.png", "s3://bucket/d.png", "z.png"]
    manifest = write_manifest(tmp_path / "m.parquet", names)
    expected = [f"{tmp_path}/z.png", f"{tmp_path}/a/b.png", "/data/c.png", "s3://bucket/d.png"]
    assert list(list_inputs([str(manifest)])) == expected
    assert list(list_inputs([f"{tmp_path}/*.parquet"])) == expected


def test_a_manifest_elsewhere(memory: str, tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "m.parquet", ["b/2.png", "a.jpg"], column="file_name")
    fsspec.filesystem("memory").pipe_file("/shop/m.parquet", manifest.read_bytes())
    assert list(list_inputs([f"{memory}/m.parquet"])) == [f"{memory}/b/2.png", f"{memory}/a.jpg"]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"where": ["a.png"]}, r"has no column 'path', only \['where'\]"),
        ({"path": ["a.png", None]}, "a path is None; needed is a text"),
        ({"path": [3]}, "a path is 3; needed is a text"),
    ],
)
def test_manifests_without_paths_are_named(
    table: dict[str, list[object]], message: str, tmp_path: Path
) -> None:
    pq.write_table(pa.table(table), tmp_path / "m.parquet")
    with pytest.raises(DataError, match=f"m.parquet: {message}"):
        list(list_inputs([str(tmp_path / "m.parquet")]))


def test_what_is_no_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"m\.parquet: not a readable Parquet file"):
        list(list_inputs([str(tmp_path / "m.parquet")]))
    with pytest.raises(DataError, match=r"gone\.parquet: not a readable Parquet file"):
        list(list_inputs([str(tmp_path / "gone.parquet")]))


def test_unknown_protocols_are_named() -> None:
    with pytest.raises(ConfigError, match="protocol 'gopher' cannot be used"):
        list(list_inputs(["gopher://old/images"]))


def test_rows_of_images_elsewhere_are_those_of_the_files(tmp_path: Path) -> None:
    draw_images(tmp_path / "in", 10)
    whole_run([str(tmp_path / "in")], tmp_path / "local")
    fsspec.filesystem("memory").put(str(tmp_path / "in"), "/belt", recursive=True)
    whole_run(["memory://belt"], tmp_path / "memory")
    names = [p.name for p in sorted((tmp_path / "in").iterdir())]
    write_manifest(tmp_path / "in" / "m.parquet", names)
    with served(tmp_path / "in") as url:
        whole_run([f"{url}/m.parquet"], tmp_path / "http")
        whole_run([f"{url}/"], tmp_path / "listed")
    scores = [row["image_score"] for row in rows_of(tmp_path / "local")]
    for run, prefix in (("memory", "memory://belt"), ("http", url), ("listed", url)):
        rows = rows_of(tmp_path / run)
        assert [row["path"] for row in rows] == [f"{prefix}/{name}" for name in names]
        assert [row["image_score"] for row in rows] == scores
        assert f"{prefix}/0003.png: not an image" in rows[3]["error"]


def test_a_plain_text_is_never_fetched() -> None:
    fsspec.filesystem("memory").pipe_file("/one.png", b"x")
    with pytest.raises(DataError, match="not found"):
        to_image("memory://one.png")


def test_broken_connections_are_tried_again_and_missing_files_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    for name in ("flaky", "dead"):
        (tmp_path / name).write_bytes(b"content")
    with served(tmp_path) as url:
        assert fetch(f"{url}/flaky") == b"content"
        assert len(pauses) == 1
        with pytest.raises(DataError, match=r"gone: not found"):
            fetch(f"{url}/gone")
        assert len(pauses) == 1
        with pytest.raises(DataError, match=r"dead: not fetched in 3 attempts"):
            fetch(f"{url}/dead")
        assert pauses == [0.5, 0.5, 1.0]


def test_copies_of_what_is_elsewhere_go_when_they_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(b"content")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    with served(tmp_path / "in") as url, Copies() as copies:
        assert copies.here(str(tmp_path / "in" / "a.png")) == tmp_path / "in" / "a.png"
        assert not (tmp_path / "tmp").exists()  # nothing was fetched
        (tmp_path / "tmp").mkdir()
        one, two = (copies.here(f"{url}/a.png") for _ in range(2))
        assert one.read_bytes() == b"content"
        assert copies.reason(DataError(f"{two}: bad")) == f"{url}/a.png: bad"
        copies.drop(one)
        copies.drop(tmp_path / "in" / "a.png")  # no copy
        assert not one.exists()
        assert two.exists()
    assert list((tmp_path / "tmp").iterdir()) == []
    assert (tmp_path / "in" / "a.png").exists()


def test_no_room_for_a_copy_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the image, which would else stay an error."""
    draw_images(tmp_path / "in", 3, bad=())
    with served(tmp_path / "in") as url:
        run = ([f"{url}/"], tmp_path / "out")
        with monkeypatch.context() as broken:
            broken.setattr(Path, "write_bytes", full_where(Path.write_bytes, "-copy"))
            with pytest.raises(OutputError, match=r"no room for a copy .*; set TMPDIR"):
                whole_run(*run)
        assert whole_run(*run).errors == 0


def full_where(write: Callable[[Path, bytes], int], ending: str) -> Callable[[Path, bytes], int]:
    def written(path: Path, content: bytes) -> int:
        if path.name.endswith(ending):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, content)

    return written
