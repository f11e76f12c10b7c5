"""Memory given back to the system; in a process of its own."""

import ctypes
import subprocess
import sys

import pytest

from faprompt import heap

PROGRAM = """
import ctypes
from pathlib import Path
from faprompt import heap

def megabytes():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(l.split()[1]) for l in lines if l.startswith("VmRSS:")) / 1000

heap.few_arenas(2)
ctypes.CDLL(None).mallopt(-3, 1 << 25)  # M_MMAP_THRESHOLD: all that follows lies on the heap
before = megabytes()
blocks = [b"x" * 1_000_000 for _ in range(100)]
held = megabytes() - before
del blocks[::2]
kept = megabytes() - before
heap.trim()
print(held, kept, megabytes() - before)
"""


def has_glibc() -> bool:
    return sys.platform == "linux" and hasattr(ctypes.CDLL(None), "malloc_trim")


@pytest.mark.skipif(not has_glibc(), reason="needs glibc")
def test_what_lies_free_between_blocks_in_use_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    held, kept, left = map(float, done.stdout.split())
    assert held > 90
    assert kept > 80, "glibc keeps it, or there is nothing to give back"
    assert 40 < left < 60


def test_without_glibc_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> object:
        raise AssertionError("looked for a C library")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", unknown)
    heap.trim()
    heap.few_arenas(2)
