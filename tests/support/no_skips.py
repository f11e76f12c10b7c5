"""For marks of their own: a test that would be skipped fails.

``PYTHONPATH=tests/support pytest -p no_skips -m MARK``, as the Makefile does it.
"""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip into a failure with the reason."""
    outcome: Any = yield
    report = outcome.get_result()
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: may not be skipped here: {report.longrepr}"
