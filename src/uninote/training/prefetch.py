"""Batches made in the background: pictures are decoded while the model is busy with the batch before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

Batch = dict[str, Any]


class Pending:
    """A batch on its way, which a data loader passes on as it is."""

    def __init__(self, future: Future[Batch]) -> None:
        self.future = future

    def __contains__(self, name: str) -> bool:
        """Return False: the trainer looks for labels to count, which these batches do not have."""
        return False


class Prefetch:
    """A collator that returns at once. The loader asks one batch ahead, so each has a step's time.

    One thread, in the order of the calls: a trained model does not depend on timing. Its decoding and
    resizing release the interpreter, and it shares what the backbone remembers.
    """

    def __init__(self, collate: Callable[[Sequence[Any]], Batch]) -> None:
        self.collate = collate
        self.pool = ThreadPoolExecutor(1, "batch")

    def __call__(self, examples: Sequence[Any]) -> Pending:
        return Pending(self.pool.submit(self.collate, examples))


def arrived(batch: Batch | Pending) -> Batch:
    """Wait for the batch. Raises what collating it raised."""
    return batch.future.result() if isinstance(batch, Pending) else batch
