"""Prometheus metrics, in a registry per service: two services in one process stay separate."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_ITEMS = (1, 2, 4, 8, 16, 32, 64, 128)
_TOKENS = (64, 256, 1024, 4096, 16_384)


class Metrics:
    """Counters, histograms and gauges of one service; also the observer of its batcher and reading."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"uninote_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"uninote_{name}", text, labels, registry=self.registry, buckets=buckets)

        self.requests = counter("requests", "Requests by route and status.", "method", "route", "status")
        self.seconds = histogram("request_seconds", "Seconds from request to answer.", _SECONDS, "route")
        self.notes = counter("notes", "Notes by what became of them.", "status")
        self.hits = counter("hits", "Gallery samples that notes matched.")
        self.messages = counter("stream_messages", "Messages of the stream by what became of them.", "result")
        self.searches = counter("searches", "Searches by what answered: cluster or database.", "by")
        self.cancelled = counter("cancelled_requests", "Requests whose caller went away.")
        self.dropped = counter("dropped_items", "Items of cancelled requests that were not encoded.")
        self.pictures = counter("pictures", "Pictures by whether their text was read or failed.", "result")
        self.reading_seconds = histogram("reading_seconds", "Seconds of reading one picture.", _SECONDS)
        self.batch_items = histogram("batch_items", "Items of a forward pass.", _ITEMS)
        self.batch_tokens = histogram("batch_tokens", "Tokens of a forward pass, without padding.", _TOKENS)
        self.batch_seconds = histogram("batch_seconds", "Seconds of a forward pass.", _SECONDS)
        self.batch_waited = histogram("batch_wait_seconds", "How long a batch's oldest waited.", _SECONDS)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Add a gauge whose value is computed when it is read."""
        Gauge(f"uninote_{name}", text, registry=self.registry).set_function(value)

    def batch(self, items: int, tokens: int, waited: float, seconds: float) -> None:
        self.batch_items.observe(items)
        self.batch_tokens.observe(tokens)
        self.batch_waited.observe(waited)
        self.batch_seconds.observe(seconds)

    def read(self, failed: bool, seconds: float) -> None:
        self.pictures.labels("failed" if failed else "read").inc()
        self.reading_seconds.observe(seconds)

    def drop(self, items: int) -> None:
        self.dropped.inc(items)

    def page(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
