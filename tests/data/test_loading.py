"""Reading ahead: order, bounded memory, errors in their place, no thread left behind."""

import itertools
import threading
import time

import pytest

from faprompt.data.loading import map_ordered
from faprompt.errors import ConfigError, DataError


def slow_square(number: int) -> int:
    time.sleep(0.002 * (number % 3))
    return number**2


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    found = list(map_ordered(slow_square, range(20), workers=workers))
    assert found == [(number, number**2) for number in range(20)]


@pytest.mark.parametrize("workers", [0, 2])
def test_our_errors_take_the_place_of_the_result(workers: int) -> None:
    def read(number: int) -> int:
        if number == 1:
            raise DataError("1.png: not found")
        return number

    found = [result for _, result in map_ordered(read, range(3), workers=workers)]
    assert found[::2] == [0, 2]
    assert isinstance(found[1], DataError)


@pytest.mark.parametrize("workers", [0, 2])
def test_faults_of_the_program_are_raised(workers: int) -> None:
    results = map_ordered(lambda n: 1 // n, [1, 0, 1], workers=workers)
    assert next(results) == (1, 1)
    with pytest.raises(ZeroDivisionError):
        list(results)


def test_endless_items_are_taken_a_few_ahead() -> None:
    taken = itertools.count()
    results = map_ordered(lambda n: n, taken, workers=2, ahead=3)
    assert [next(results) for _ in range(5)] == [(n, n) for n in range(5)]
    assert next(taken) <= 5 + 3
    results.close()  # type: ignore[attr-defined]


def test_closing_early_ends_the_threads() -> None:
    before = set(threading.enumerate())
    called: list[int] = []
    results = map_ordered(called.append, range(1000), workers=3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    for thread in set(threading.enumerate()) - before:
        thread.join(60)
        assert not thread.is_alive()
    assert len(called) < 10


def test_the_garbage_collector_may_close_it_in_one_of_its_own_threads() -> None:
    read, closed = threading.Event(), threading.Event()
    faults: list[Exception] = []

    def work(number: int) -> int:
        if number == 1:
            assert read.wait(60)
            try:
                results.close()  # type: ignore[attr-defined]
            except RuntimeError as error:  # a thread cannot wait for its own end
                faults.append(error)
            closed.set()
        return number

    results = map_ordered(work, range(100), workers=1)
    next(results)
    read.set()
    assert closed.wait(60)
    assert not faults


@pytest.mark.parametrize(("workers", "ahead"), [(-1, None), (2, 0)])
def test_settings_out_of_range_are_refused(workers: int, ahead: int | None) -> None:
    with pytest.raises(ConfigError, match=rf"workers is {workers} and ahead is"):
        map_ordered(len, [], workers=workers, ahead=ahead)
