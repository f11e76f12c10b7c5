"""Working ahead, in order and in bounded memory.

Images are decoded and resized in threads beside the model, and a GPU computes beside whoever uses
what it found before.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from faprompt.errors import ConfigError, FAPromptError

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ahead: int | None = None,
) -> Iterator[tuple[Item, Result | FAPromptError]]:
    """Apply ``function`` to every item, a few items ahead of whoever reads the results.

    Errors of ours are handed over in place of the result, so that one bad file does not end a
    run; any other exception is a fault of the program and is raised where its item is due.

    Args:
        function: Called in a worker thread; Pillow, OpenCV and torch release the interpreter.
        items: May be endless; at most ``ahead`` of them are taken before they are due.
        workers: Threads; 0 calls ``function`` in the reading thread.
        ahead: Calls under way or finished and not yet read; by default twice the workers.

    Yields:
        Item and result, in the order of the items.

    Raises:
        ConfigError: ``workers`` is negative or ``ahead`` below 1.

    Example:
        >>> list(map_ordered(len, ["a", "bb"], workers=2))
        [('a', 1), ('bb', 2)]
    """
    ahead = 2 * workers if ahead is None else ahead
    if workers < 0 or (workers and ahead < 1):
        raise ConfigError(
            f"workers is {workers} and ahead is {ahead}; needed are workers of at least 0 and "
            "ahead of at least 1"
        )
    if workers:
        return _in_threads(function, items, workers=workers, ahead=ahead)
    return ((item, _attempt(function, item)) for item in items)


def in_groups(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Cut a stream into lists of ``size``; the last one may be shorter.

    Example:
        >>> list(in_groups("abcde", 2))
        [['a', 'b'], ['c', 'd'], ['e']]
    """
    remaining = iter(items)
    while group := list(islice(remaining, size)):
        yield group


def overlapped(
    begin: Callable[[Item], Callable[[], Result]], items: Iterable[Item], *, ahead: int
) -> Iterator[tuple[Item, Result]]:
    """Begin with every item, and finish it when ``ahead`` others were begun after it.

    Where something fails, what was begun before is finished and handed over first.

    Args:
        begin: Starts the work on an item; what it returns waits for the end and gives the result.
        items: May be endless.
        ahead: 0 finishes every item before the next one is asked for.

    Yields:
        Item and result, in the order of the items.

    Example:
        >>> list(overlapped(lambda text: lambda: len(text), ["a", "bb"], ahead=1))
        [('a', 1), ('bb', 2)]
    """
    begun: deque[tuple[Item, Callable[[], Result]]] = deque()
    remaining = iter(items)
    failure: Exception | None = None
    going = True
    while going:
        try:
            for item in islice(remaining, 1):
                begun.append((item, begin(item)))
                break
            else:
                going = False
        except Exception as error:
            failure, going = error, False
        while len(begun) > (ahead if going else 0):
            yield _finished(begun)
    if failure is not None:
        raise failure


def _finished(begun: deque[tuple[Item, Callable[[], Result]]]) -> tuple[Item, Result]:
    """The first of them; a function of its own, so that no name keeps its memory afterwards."""
    item, finish = begun.popleft()
    return item, finish()


def _attempt(function: Callable[[Item], Result], item: Item) -> Result | FAPromptError:
    try:
        return function(item)
    except FAPromptError as error:
        return error


def _in_threads(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int, ahead: int
) -> Iterator[tuple[Item, Result | FAPromptError]]:
    queue: deque[tuple[Item, Future[Result | FAPromptError]]] = deque()
    remaining = iter(items)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="faprompt-read")
    closed_early = False
    try:
        for item in islice(remaining, ahead):
            queue.append((item, pool.submit(_attempt, function, item)))
        while queue:
            item, future = queue.popleft()
            result = future.result()
            for following in islice(remaining, 1):
                queue.append((following, pool.submit(_attempt, function, following)))
            yield item, result
    except GeneratorExit:
        closed_early = True
        raise
    finally:
        for _, future in queue:
            future.cancel()
        # The garbage collector may close a generator that nobody reads any more, in any thread
        # (one of the pool's own, too) and while that one holds any lock: waiting for threads
        # could then last for ever. A pool that is let go of ends its threads by itself.
        if not closed_early:
            pool.shutdown()
