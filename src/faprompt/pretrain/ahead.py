"""Make the next one while this one is used."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Generic, TypeVar

import torch

T = TypeVar("T")


class Ahead(Generic[T]):
    """Numbered things, one made ahead in a thread of its own; on a GPU also in an own stream.

    Drawing is thousands of small kernels, learning a few large ones: side by side they fill a GPU.

    Args:
        make: Makes the one of a number.
        device: Where it computes.
    """

    def __init__(self, make: Callable[[int], T], device: torch.device) -> None:
        self._make, self._device = make, device
        self._thread = ThreadPoolExecutor(1, "ahead")
        self._kept: dict[int, Future[T]] = {}
        self._lock = Lock()

    def take(self, number: int) -> T:
        """Return the one of ``number``; the one after it is begun, earlier ones are let go."""
        with self._lock:
            wanted = (number, number + 1)
            self._kept = {
                n: self._kept.get(n) or self._thread.submit(self._made, n) for n in wanted
            }
            now = self._kept[number]
        return now.result()

    def _made(self, number: int) -> T:
        if self._device.type != "cuda":
            return self._make(number)
        stream = torch.cuda.Stream(self._device)
        # What was let go may still be read by what others asked of the device before.
        stream.wait_stream(torch.cuda.default_stream(self._device))
        with torch.cuda.stream(stream):
            made = self._make(number)
        stream.synchronize()
        return made
