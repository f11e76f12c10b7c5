"""How long tests wait for what other threads and processes do."""

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which something that must come is taken as lost, on a busy machine too."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first true value of a condition that other threads or processes make true."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.002)
    raise AssertionError(f"in {PATIENCE:.0f} s never: {what}")
