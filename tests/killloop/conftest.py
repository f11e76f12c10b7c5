"""Whoever runs these tests wants them run: a skip is a failure."""

from no_skips import pytest_runtest_makereport

__all__ = ["pytest_runtest_makereport"]
