"""Batches made in the background: the same batches, one step ahead, with their errors."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.tiny_backbone import HashedReference, items_of, tiny_encoder, tiny_examples

from uninote.errors import PictureError
from uninote.negatives import ReferenceIndex
from uninote.settings import SftSettings
from uninote.training import sft
from uninote.training.prefetch import Pending, Prefetch, arrived


def test_a_batch_is_made_elsewhere_and_waited_for() -> None:
    release = threading.Event()

    def collate(examples: Sequence[int]) -> dict[str, Any]:
        assert release.wait(60)
        return {"sum": sum(examples), "thread": threading.get_ident()}

    pending = Prefetch(collate)([1, 2])
    assert isinstance(pending, Pending)
    assert "labels" not in pending
    assert not pending.future.done()
    release.set()
    batch = arrived(pending)
    assert batch["sum"] == 3
    assert batch["thread"] != threading.get_ident()
    assert arrived({"sum": 4}) == {"sum": 4}


def test_what_goes_wrong_is_raised_where_the_batch_is_needed() -> None:
    def collate(examples: Sequence[int]) -> dict[str, Any]:
        raise PictureError("picture x cannot be decoded")

    pending = Prefetch(collate)([1])
    with pytest.raises(PictureError, match="picture x"):
        arrived(pending)


def test_the_next_batch_is_made_during_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hold the first step until the second batch has been made; without a thread it would wait forever."""
    made, order = threading.Semaphore(0), list[str]()
    collate, loss = sft.SftCollator.__call__, sft.SftTrainer.compute_loss

    def watched_collate(self: Any, examples: Any) -> Any:
        order.append(f"batch {sum('batch' in line for line in order)}")
        batch = collate(self, examples)
        made.release()
        return batch

    def watched_loss(self: Any, *args: Any, **options: Any) -> torch.Tensor:
        assert made.acquire(timeout=60)
        if self.state.global_step == 0:
            assert made.acquire(timeout=60)
            made.release()
        order.append(f"step {self.state.global_step}")
        found: torch.Tensor = loss(self, *args, **options)
        return found

    monkeypatch.setattr(sft.SftCollator, "__call__", watched_collate)
    monkeypatch.setattr(sft.SftTrainer, "compute_loss", watched_loss)
    examples = tiny_examples()
    index = ReferenceIndex(items_of(examples), HashedReference())
    sft.train_sft(tiny_encoder(), examples, index, SftSettings(steps=2, batch_size=4), tmp_path)
    assert order.index("batch 1") < order.index("step 0") < order.index("step 1")
