"""Prefetch of batches in the background: pictures are decoded while the model runs the previous batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Self

from torch.utils.data._utils.pin_memory import pin_memory

from uninote.encoder.threads import Threads

Batch = dict[str, Any]


class Pending:
    """Pending batch, which a data loader passes on unchanged."""

    def __init__(self, future: Future[Batch], threads: Threads) -> None:
        self.future, self.threads = future, threads

    def __contains__(self, name: str) -> bool:
        """Return False: the trainer looks for labels to count, which these batches do not have."""
        return False

    def pin_memory(self) -> Self:
        """Pin the tensors once they are there, in the same thread; called by a loader for a GPU."""
        return type(self)(self.threads.submit(lambda: pin_memory(self.future.result())), self.threads)


class Prefetch:
    """Collator that returns at once. The loader asks one batch ahead, so each has a step's time.

    One thread works in the order of the calls, so a trained model does not depend on timing. It shares the
    caches of the backbone and leaves the pictures to the threads that decode them.
    """

    def __init__(self, collate: Callable[[Sequence[Any]], Batch]) -> None:
        self.collate, self.threads = collate, Threads(1, "batch")

    def __call__(self, examples: Sequence[Any]) -> Pending:
        return Pending(self.threads.submit(self.collate, examples), self.threads)


def arrived(batch: Batch | Pending) -> Batch:
    """Wait for the batch. Raises what collating it raised."""
    return batch.future.result() if isinstance(batch, Pending) else batch
