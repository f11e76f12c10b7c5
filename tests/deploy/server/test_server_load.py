"""The load test itself, on a few requests: what it measures and what it would notice."""

from pathlib import Path
from types import ModuleType

import pytest
from desk_process import Running, running

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import server_load

    return server_load


def url(desk: Running) -> str:
    return f"http://127.0.0.1:{desk.port}"


def test_every_answer_belongs_to_its_image(load: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    with running(tmp_path / "desk", tmp_path / "gate", waiting=4) as desk:
        row = load.scoring(url(desk), clients=3, requests=30).row(3)
    assert (row["requests"], row["wrong or lost"]) == (30, 0)
    assert 0 < row["p50 ms"] <= row["p99 ms"]
    assert 10 < row["memory MB, first"] < 4000


def test_lost_and_doubled_images_are_counted(load: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "gate").touch()
    with running(tmp_path / "desk", tmp_path / "gate") as desk:
        batch = load.new_batch(url(desk))
        load.uploading(lambda: url(desk), batch, clients=3, images=9)
        assert load.tally(url(desk), batch, 9) == {
            "images": 9,
            "once": 9,
            "lost": 0,
            "doubled": 0,
            "not done": 0,
        }
        desk.send(f"/batches/{batch}/images", ("again.png", load.picture(3)))
        counted = load.tally(url(desk), batch, 10)
    assert (counted["once"], counted["lost"], counted["doubled"]) == (8, 1, 1)
