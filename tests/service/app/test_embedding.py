"""Embedding through a batcher: all vectors or an error, or one of the two per item."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.app.embedding import Embedding
from uninote.service.concurrency.batcher import Batcher, Vector
from uninote.service.errors import InvalidError
from uninote.service.telemetry.metrics import Metrics

BAD = Item.of("bad")


class Model:
    """Counts the letters of a text, and cannot read `BAD`."""

    def cost(self, item: Item, group: object) -> int:
        return 1

    def encode(self, items: Sequence[Item], group: object) -> list[Vector | ItemError]:
        rows = [np.array([len(item.texts[0]), 1], np.float32) for item in items]
        return [
            ItemError("unreadable") if item == BAD else row for item, row in zip(items, rows, strict=True)
        ]


@pytest.fixture
def embedding() -> Iterator[Embedding]:
    batcher = Batcher(Model(), Metrics(), token_budget=9, wait_seconds=0, max_items=9, on_death=print)
    yield Embedding(batcher)
    batcher.close(10)


def test_all_vectors_come_in_order_as_one_matrix(embedding: Embedding) -> None:
    found = asyncio.run(embedding.embed([Item.of("abc"), Item.of("a")], "m1"))
    assert found.dtype == np.float32
    assert found.tolist() == [[3, 1], [1, 1]]
    assert len(asyncio.run(embedding.embed([], "m1"))) == 0


def test_one_bad_item_fails_all_or_itself_alone(embedding: Embedding) -> None:
    items = [Item.of("abc"), BAD]
    with pytest.raises(ItemError, match=r"^unreadable$"):
        asyncio.run(embedding.embed(items, "m1"))
    with pytest.raises(InvalidError, match=r"^input\.1: unreadable$"):
        asyncio.run(embedding.embed(items, "m1", field="input"))
    good, bad = asyncio.run(embedding.embed_each(items, "m1"))
    assert isinstance(bad, ItemError)
    assert np.asarray(good).tolist() == [3, 1]
