"""The bounded queue before the model: fair between batches, closed to nobody for long.

Jobs of one batch stand in a lane. A group for the model starts with the lane whose turn it is and
takes one job per lane in rotation, so that an image beside a batch of ten thousand waits for one
group, not for all of them.
"""

import threading
import time
from collections import OrderedDict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One image to score."""

    lane: str
    """Jobs of one lane come in their order; lanes take turns."""
    model: str
    tile: str | None
    path: Path
    pixels: int
    item: str | None
    """The row that wants to know, if any."""
    station: str | None = None
    future: "Future[Any] | None" = field(default=None, compare=False)
    """Who waits for the answer, if anybody."""

    @property
    def kind(self) -> tuple[str, str | None]:
        """Only jobs of one kind can be looked at together."""
        return self.model, self.tile


class FairQueue:
    """Jobs that wait; any thread may put, one thread takes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._lanes: OrderedDict[str, deque[Job]] = OrderedDict()
        self._count = 0
        self._closed = False
        self._changed = threading.Condition()

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether the next job would be refused."""
        return self._count >= self.limit

    def put(self, job: Job, *, known: bool = False) -> bool:
        """Add a job; False when the queue is full or closed.

        Args:
            job: It goes to the end of its lane.
            known: Accepted before: the limit does not apply.
        """
        with self._changed:
            if self._closed or (self.full and not known):
                return False
            self._lanes.setdefault(job.lane, deque()).append(job)
            self._count += 1
            self._changed.notify()
            return True

    def take(self, size: int, *, pixels: int, wait: float) -> list[Job]:
        """The next group: jobs of one kind, at least one; empty once the queue is closed.

        Args:
            size: Largest number of jobs.
            pixels: Of all jobs but the first together.
            wait: Seconds that a group waits to become full.
        """
        with self._changed:
            while not self._closed:
                self._changed.wait_for(lambda: self._count or self._closed)
                until = time.monotonic() + wait
                while 0 < self._count < size and not self._closed:
                    if not self._changed.wait(max(0.0, until - time.monotonic())):
                        break
                if self._count and not self._closed:
                    return self._group(size, pixels)
            return []

    def remove(self, lane: str) -> None:
        """Drop a lane: its batch was cancelled or deleted."""
        with self._changed:
            self._count -= len(self._lanes.pop(lane, ()))

    def close(self) -> None:
        """Take nothing more in and give nothing more out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def drop_all(self) -> list[Job]:
        """Everything that still waits."""
        with self._changed:
            jobs = [job for lane in self._lanes.values() for job in lane]
            self._lanes.clear()
            self._count = 0
            return jobs

    def _group(self, size: int, pixels: int) -> list[Job]:
        group: list[Job] = []
        total, moved = 0, True
        while moved and len(group) < size:
            moved = False
            for name in list(self._lanes):
                job = self._lanes[name][0]
                fits = not group or (job.kind == group[0].kind and total + job.pixels <= pixels)
                if fits and len(group) < size:
                    group.append(self._pop(name))
                    total += job.pixels
                    moved = True
        return group

    def _pop(self, name: str) -> Job:
        """Take the first job of a lane, which then goes to the end of the turns."""
        lane = self._lanes.pop(name)
        job = lane.popleft()
        if lane:
            self._lanes[name] = lane
        self._count -= 1
        return job
