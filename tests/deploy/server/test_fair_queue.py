"""The queue before the model: bounds, order, turns, and what goes together."""

import threading
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from patience import PATIENCE

from faprompt.deploy.server.queue import FairQueue, Job


def job(lane: str, number: int = 0, *, model: str = "m", pixels: int = 1) -> Job:
    return Job(
        lane=lane, model=model, tile=None, path=Path(str(number)), pixels=pixels, item=str(number)
    )


def take(queue: FairQueue, size: int = 4, pixels: int = 1000) -> list[tuple[str, str]]:
    return [(j.lane, str(j.item)) for j in queue.take(size, pixels=pixels, wait=0)]


def test_lanes_take_turns_and_keep_their_order() -> None:
    queue = FairQueue(100)
    for number in range(5):
        queue.put(job("big", number))
    queue.put(job("small", 9))
    assert take(queue) == [("big", "0"), ("small", "9"), ("big", "1"), ("big", "2")]
    assert take(queue) == [("big", "3"), ("big", "4")]
    assert len(queue) == 0


def test_a_group_has_one_model_and_the_other_comes_next() -> None:
    queue = FairQueue(100)
    for number in range(4):
        queue.put(job("a", number))
    queue.put(job("b", 9, model="other"))
    assert take(queue, 2) == [("a", "0"), ("a", "1")]
    assert take(queue, 2) == [("b", "9")]
    assert take(queue, 2) == [("a", "2"), ("a", "3")]


def test_large_images_go_alone() -> None:
    queue = FairQueue(100)
    for number, pixels in enumerate((600, 600, 300)):
        queue.put(job("a", number, pixels=pixels))
    assert take(queue) == [("a", "0")]
    assert take(queue) == [("a", "1"), ("a", "2")]


def test_over_the_limit_nothing_is_taken_in_but_what_was_promised_before() -> None:
    queue = FairQueue(2)
    assert [queue.put(job("a", n)) for n in range(3)] == [True, True, False]
    assert queue.full
    assert queue.put(job("a", 3), known=True)
    assert [item for _, item in take(queue)] == ["0", "1", "3"]
    assert queue.put(job("a", 4))


def test_removed_lanes_leave_no_trace() -> None:
    queue = FairQueue(3)
    queue.put(job("a"))
    queue.put(job("b"))
    queue.remove("a")
    queue.remove("never there")
    assert len(queue) == 1
    assert take(queue) == [("b", "0")]


def test_closing_wakes_who_waits_and_refuses_the_rest() -> None:
    queue = FairQueue(3)
    found: list[list[Job]] = []
    waiting = threading.Thread(
        target=lambda: found.append(queue.take(1, pixels=1, wait=PATIENCE)), daemon=True
    )
    waiting.start()
    queue.close()
    waiting.join(PATIENCE)
    assert found == [[]]
    assert not queue.put(job("a"))
    assert queue.drop_all() == []


@given(
    lanes=st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("mn")), max_size=40),
    size=st.integers(1, 6),
    pixels=st.integers(1, 5),
)
def test_everything_comes_once_in_the_order_of_its_lane(
    lanes: list[tuple[str, str]], size: int, pixels: int
) -> None:
    queue = FairQueue(100)
    for number, (lane, model) in enumerate(lanes):
        queue.put(job(lane, number, model=model))
    groups = []
    while len(queue):
        group = queue.take(size, pixels=pixels, wait=0)
        assert 1 <= len(group) <= size
        assert len({j.model for j in group}) == 1
        groups.append(group)
    numbers = [(j.lane, int(str(j.item))) for group in groups for j in group]
    assert Counter(n for _, n in numbers) == Counter(range(len(lanes)))
    for lane in "abcd":
        assert [n for name, n in numbers if name == lane] == [
            n for n, (name, _) in enumerate(lanes) if name == lane
        ]
