"""Embedding through a batcher: all vectors or an error, or one of the two per item."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from uninote.errors import ItemError
from uninote.items import Item, Picture, with_readings
from uninote.service.app.embedding import Embedding
from uninote.service.concurrency.batcher import PROBE, Batcher, Vector
from uninote.service.concurrency.reading_stage import ReadingStage
from uninote.service.errors import InvalidError
from uninote.service.telemetry.metrics import Metrics

BAD = Item.of("bad")


class Model:
    """Counts the letters of the texts, and cannot read `BAD`. Version `reads` reads pictures."""

    def __init__(self) -> None:
        self.readings: list[str] = []

    def reads(self, version: str) -> bool:
        return version == "reads"

    def get(self, version: str) -> Model:
        return self

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        """Read "sign" in every picture that is not called `b"bad"`."""
        (item,) = items
        self.readings += [picture.digest for picture in item.unread]
        bad = any(picture.read() == b"bad" for picture in item.pictures)
        return [ItemError("bad picture") if bad else with_readings(item, lambda one: ("sign",))]

    def cost(self, item: Item, group: object) -> int:
        return 1

    def encode(self, items: Sequence[Item], group: object) -> list[Vector | ItemError]:
        rows = [np.array([sum(map(len, item.texts)), 1], np.float32) for item in items]
        return [
            ItemError("unreadable") if item == BAD else row for item, row in zip(items, rows, strict=True)
        ]


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def embedding(model: Model) -> Iterator[Embedding]:
    batcher = Batcher(model, Metrics(), token_budget=9, wait_seconds=0, max_items=9, on_death=print)
    reading = ReadingStage(Metrics(), threads=2, max_pictures=9)
    yield Embedding(batcher, model, reading)  # type: ignore[arg-type]
    reading.close()
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


def test_pictures_are_read_before_they_are_encoded_if_the_model_reads(
    embedding: Embedding, model: Model
) -> None:
    unread, bad = Picture.from_bytes(b"unread"), Picture.from_bytes(b"bad")
    given = Picture.from_bytes(b"given", ocr=("a long text",))
    items = [Item.of("abc", unread), Item.of("a", bad), Item.of("ab", given), Item.of("a")]
    tokens: list[int] = []
    first, second, *rest = asyncio.run(embedding.embed_each(items, "reads", tokens=tokens))
    assert np.asarray(first).tolist() == [7, 1]
    assert str(second) == "bad picture"
    assert [np.asarray(row).tolist() for row in rest] == [[2, 1], [1, 1]]
    assert tokens == [1, 0, 1, 1]
    assert sorted(model.readings) == sorted([unread.digest, bad.digest])
    assert asyncio.run(embedding.embed(items, "m1")).tolist() == [[3, 1], [1, 1], [2, 1], [1, 1]]
    asyncio.run(embedding.embed([Item.of("ready")], "reads", priority=PROBE))
    assert len(model.readings) == 2
