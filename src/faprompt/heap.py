"""What the C library does with memory that was given back (glibc; elsewhere nothing happens)."""

import ctypes
import sys

M_ARENA_MAX = -8
"""mallopt(3): number of a setting, from glibc's malloc.h."""


def trim() -> None:
    """Give the system back what lies free between blocks in use.

    glibc keeps freed blocks of up to 32 MB for the next request that fits: of tensors of many
    sizes that came and went, 100 MB and more stayed resident.
    """
    _call("malloc_trim", 0)


def few_arenas(most: int) -> None:
    """Let all threads take memory from few pools.

    By default every thread gets a pool of its own, and what a thread has given back stays in it.
    """
    _call("mallopt", M_ARENA_MAX, most)


def _call(name: str, *values: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    if function is not None:
        function(*values)
