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


def test_a_run_that_was_ended_goes_on_after_its_last_round(
    load: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place, settings = tmp_path / "load.json", {"requests": 9}
    row = {"clients": 8, "wrong or lost": 0, "memory MB, first": 100.0, "last": 104.0}
    load.Results(place, settings).add("rounds", row)
    again = load.Results(place, settings)
    assert again.missing("rounds") == [(0, 1), (2, 64)]
    assert again.missing("kills") == [(0, 1), (1, 8), (2, 64)]
    assert again.faults() == []
    with pytest.raises(SystemExit, match="of other settings"):
        load.Results(place, {"requests": 10})
    again.add("rounds", row | {"clients": 1, "last": 120.0})
    again.add("kills", {"clients": 1, "images": 5, "once": 4, "not done": 0})
    assert [fault["clients"] for fault in again.faults()] == [1, 1]
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_nothing_begins_once_the_time_is_up(load: ModuleType) -> None:
    with pytest.raises(TimeoutError, match="the time is up"):
        load.scoring("http://127.0.0.1:1", clients=2, requests=5, clock=load.Clock(-1))
