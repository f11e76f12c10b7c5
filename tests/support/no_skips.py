"""For marks of their own: a test that would be skipped fails, and so does a file of tests.

``PYTHONPATH=tests/support pytest -p no_skips -m MARK``, as the Makefile does it.
"""

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Turn a skip into a failure with the reason."""
    outcome: Any = yield
    _refuse(outcome.get_result(), item.nodeid)


@pytest.hookimpl(hookwrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    """The same for a whole file (``importorskip``, ``skip(allow_module_level=True)``)."""
    outcome: Any = yield
    _refuse(outcome.get_result(), collector.nodeid)


def _refuse(report: Any, name: str) -> None:
    if report.skipped:
        report.outcome = "failed"
        report.longrepr = f"{name}: may not be skipped here: {report.longrepr}"
