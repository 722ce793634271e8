"""Reading stage: order, bound, priorities, errors, cancelling and closing, with a reader that waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from uninote.errors import ItemError, MissingExtraError
from uninote.items import Item, Picture, with_readings
from uninote.service.concurrency.batcher import BACKGROUND
from uninote.service.concurrency.reading_stage import ReadingStage
from uninote.service.errors import BusyError, UnavailableError
from uninote.service.telemetry.metrics import Metrics

BAD = Picture.from_bytes(b"bad")


def picture(name: str, **options: Any) -> Picture:
    return Picture.from_bytes(name.encode(), **options)


class Reader:
    """Reads the bytes of a picture as its text once `go` is set; cannot read `BAD`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.read_pictures: list[str] = []

    def __call__(self, items: Sequence[Item]) -> list[Item | ItemError]:
        self.go.wait(20)
        found: list[Item | ItemError] = []
        for item in items:
            self.read_pictures += [one.read().decode() for one in item.pictures]
            bad = BAD in item.pictures
            found.append(
                ItemError("bad picture")
                if bad
                else with_readings(item, lambda one: (f"text of {one.read().decode()}",))
            )
        return found


def run(work: Callable[[ReadingStage, Reader], Coroutine[Any, Any, None]], most: int = 9) -> Metrics:
    metrics, reader = Metrics(), Reader()
    stage = ReadingStage(metrics, threads=1, max_pictures=most)
    try:
        asyncio.run(asyncio.wait_for(work(stage, reader), 20))
    finally:
        reader.go.set()
        stage.close()
    return metrics


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_a_picture_is_read_once_and_given_texts_are_kept() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        reader.go.set()
        given = Item.of(picture("b", ocr=("given",)))
        items = [Item.of("t", picture("a"), picture("c", ocr=())), given, Item.of(picture("a"))]
        found = await stage.read(items, reader)
        assert [item.texts for item in found if isinstance(item, Item)] == [
            ("t", "text of a"),
            (),
            ("text of a",),
        ]
        assert found[1] is given
        assert reader.read_pictures == ["a"]
        assert await stage.read(found, reader) == found  # type: ignore[arg-type]
        assert reader.read_pictures == ["a"]
        await until(lambda: stage.depth == 0)

    page = run(work).page().decode()
    assert 'uninote_pictures_total{result="read"} 1.0' in page
    assert "uninote_reading_seconds_count 1.0" in page


def test_a_bad_picture_costs_its_own_item_only() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        reader.go.set()
        bad, good = await stage.read([Item.of("x", BAD, picture("a")), Item.of(picture("a"))], reader)
        assert isinstance(bad, ItemError)
        assert isinstance(good, Item)
        assert good.texts == ("text of a",)

    assert 'uninote_pictures_total{result="failed"} 1.0' in run(work).page().decode()


def test_a_full_queue_refuses_requests_but_no_background_work_and_no_item_that_needs_no_reading() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        many = [Item.of(picture(f"{n}")) for n in range(3)]  # more than it takes, but nothing waits
        first = asyncio.create_task(stage.read(many, reader))
        await until(lambda: stage.depth == 3)
        with pytest.raises(BusyError, match=r"3 pictures wait to be read, the queue takes 2") as refused:
            await stage.read([Item.of(picture("new"))], reader)
        assert refused.value.seconds >= 1
        same = asyncio.create_task(stage.read(many, reader))  # e.g. for another model version
        background = asyncio.create_task(stage.read([Item.of(picture("b"))], reader, priority=BACKGROUND))
        text = [Item.of("text"), Item.of(picture("new", ocr=()))]
        assert await stage.read(text, reader) == text
        assert stage.depth == 3
        reader.go.set()
        assert await first == await same
        assert [item.texts for item in await background if isinstance(item, Item)] == [("text of b",)]
        await until(lambda: stage.depth == 0)

    run(work, most=2)


def test_background_work_yields_to_requests() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        background = asyncio.create_task(
            stage.read([Item.of(picture("b1"), picture("b2"))], reader, priority=BACKGROUND)
        )
        await asyncio.sleep(0)  # queued
        request = asyncio.create_task(stage.read([Item.of(picture("a"))], reader))
        await until(lambda: stage.depth == 1)
        reader.go.set()
        await asyncio.gather(background, request)
        assert reader.read_pictures.index("a") < reader.read_pictures.index("b2")

    run(work)


def test_pictures_of_a_cancelled_caller_are_not_read() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        first = asyncio.create_task(stage.read([Item.of(picture("a"))], reader))
        await until(lambda: stage.depth == 1)
        second = asyncio.create_task(stage.read([Item.of(picture("b"))], reader))
        await until(lambda: stage.depth == 2)
        second.cancel()
        await until(lambda: stage.depth == 1)
        reader.go.set()
        await first
        stage.close()
        assert reader.read_pictures == ["a"]

    run(work)


def test_a_reader_that_fails_fails_the_call_and_not_the_stage() -> None:
    def broken(items: Sequence[Item]) -> list[Item | ItemError]:
        raise ZeroDivisionError

    async def work(stage: ReadingStage, reader: Reader) -> None:
        reader.go.set()
        with pytest.raises(ZeroDivisionError):
            await stage.read([Item.of(picture("a"))], broken)
        (found,) = await stage.read([Item.of(picture("a"))], reader)
        assert isinstance(found, Item)

    run(work)


def test_closing_fails_what_waits_and_what_comes() -> None:
    async def work(stage: ReadingStage, reader: Reader) -> None:
        first = asyncio.create_task(stage.read([Item.of(picture("a"))], reader))
        await until(lambda: stage.depth == 1)
        second = asyncio.create_task(stage.read([Item.of(picture("b"))], reader))
        await until(lambda: stage.depth == 2)
        closing = asyncio.create_task(asyncio.to_thread(stage.close))
        with pytest.raises(UnavailableError, match="stopping"):
            await second
        reader.go.set()
        await closing
        assert isinstance((await first)[0], Item)
        with pytest.raises(UnavailableError, match="stopping"):
            await stage.read([Item.of(picture("c"))], reader)

    run(work)


def test_a_missing_engine_is_no_fault_of_the_request() -> None:
    def missing(items: Sequence[Item]) -> list[Item | ItemError]:
        raise MissingExtraError("pip install 'uninote[ocr]', or set encoder.read=given")

    async def work(stage: ReadingStage, _: Reader) -> None:
        with pytest.raises(UnavailableError, match=r"uninote\[ocr\].*encoder\.read=given"):
            await stage.read([Item.of(picture("a"))], missing)
        assert stage.depth == 0

    run(work)
