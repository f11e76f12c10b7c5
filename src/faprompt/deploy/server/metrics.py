"""Figures of the service in Prometheus's text format, in a registry of its own."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GROUP_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """What is counted."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._requests = Counter(
            "faprompt_requests", "Requests answered.", ["method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "faprompt_request_seconds", "Time of a request.", ["method"], registry=registry
        )
        self._images = Counter(
            "faprompt_images", "Images that the model is done with.", ["status"], registry=registry
        )
        self._groups = Histogram(
            "faprompt_group_images",
            "Images that the model saw at once.",
            buckets=GROUP_SIZES,
            registry=registry,
        )
        self._model = Counter(
            "faprompt_model_seconds", "Time spent on groups, files counted.", registry=registry
        )
        self._at_model = Gauge(
            "faprompt_images_at_model", "Images that the model looks at.", registry=registry
        )
        self._waiting = Gauge("faprompt_waiting_images", "Length of the queue.", registry=registry)

    def watch_queue(self, length: Callable[[], float]) -> None:
        """Report the queue's length as it is when asked."""
        self._waiting.set_function(length)

    def answered(self, method: str, status: int, seconds: float) -> None:
        """Count a request; unknown methods are one, or a client could grow the registry."""
        known = method if method in {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"} else "OTHER"
        self._requests.labels(known, str(status)).inc()
        self._seconds.labels(known).observe(seconds)

    @contextmanager
    def group(self, images: int) -> Iterator[None]:
        """Measure the time of a group."""
        started = time.perf_counter()
        self._at_model.set(images)
        try:
            yield
        finally:
            self._at_model.set(0)
            self._groups.observe(images)
            self._model.inc(time.perf_counter() - started)

    def finished(self, status: str) -> None:
        """Count an image."""
        self._images.labels(status).inc()

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._registry)
