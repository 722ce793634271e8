"""Prefetch of batches in the background: pictures are decoded while the model runs the previous batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

Batch = dict[str, Any]


class Pending:
    """Pending batch, which a data loader passes on unchanged."""

    def __init__(self, future: Future[Batch]) -> None:
        self.future = future

    def __contains__(self, name: str) -> bool:
        """Return False: the trainer looks for labels to count, which these batches do not have."""
        return False


class Prefetch:
    """Collator that returns at once. The loader asks one batch ahead, so each has a step's time.

    One thread works in the order of the calls, so a trained model does not depend on timing. Decoding and
    resizing release the interpreter lock, and the thread shares the caches of the backbone.
    """

    def __init__(self, collate: Callable[[Sequence[Any]], Batch]) -> None:
        self.collate = collate
        self.pool = ThreadPoolExecutor(1, "batch")

    def __call__(self, examples: Sequence[Any]) -> Pending:
        return Pending(self.pool.submit(self.collate, examples))


def arrived(batch: Batch | Pending) -> Batch:
    """Wait for the batch. Raises what collating it raised."""
    return batch.future.result() if isinstance(batch, Pending) else batch
