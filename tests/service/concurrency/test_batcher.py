"""Batches, bounds, cancelled requests and ends of the batcher, against models whose every call is seen."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from uninote.errors import ItemError
from uninote.items import Item
from uninote.service.concurrency.batcher import BACKGROUND, PROBE, Batcher, Group, Vector
from uninote.service.errors import BusyError, UnavailableError


@dataclass
class Recorder:
    """A model that costs ten tokens an item and waits for a permit before every batch."""

    gate: threading.Event = field(default_factory=threading.Event)
    started: threading.Event = field(default_factory=threading.Event)
    batches: list[tuple[Group, list[str]]] = field(default_factory=list)
    error: BaseException | None = None

    def cost(self, item: Item, group: Group) -> int:
        if item.texts[0] == "unreadable":
            raise ItemError("this item cannot be read")
        return 10

    def encode(self, items: Sequence[Item], group: Group) -> Sequence[Vector | ItemError]:
        self.started.set()
        assert self.gate.wait(20)
        self.batches.append((group, [item.texts[0] for item in items]))
        if self.error:
            raise self.error
        return [
            ItemError("broken") if item.texts[0] == "broken" else np.full(2, float(item.texts[0]), np.float32)
            for item in items
        ]


@dataclass
class Seen:
    sizes: list[int] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)
    gone: int = 0

    def batch(self, items: int, tokens: int, waited: float, seconds: float) -> None:
        self.sizes.append(items)
        assert tokens == 10 * items
        self.waited.append(waited)
        assert waited >= 0
        assert seconds >= 0

    def drop(self, items: int) -> None:
        self.gone += items


Make = Callable[..., Batcher]


@pytest.fixture
def model() -> Recorder:
    return Recorder()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def deaths() -> list[BaseException]:
    return []


@pytest.fixture
def make(model: Recorder, seen: Seen, deaths: list[BaseException]) -> Iterator[Make]:
    made: list[Batcher] = []

    def build(**options: Any) -> Batcher:
        values = {"token_budget": 40, "wait_seconds": 0.05, "max_items": 100} | options
        made.append(Batcher(model, seen, on_death=deaths.append, **values))
        return made[-1]

    yield build
    model.gate.set()
    for batcher in made:
        batcher.close(10)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 30))


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


async def until_refused(batcher: Batcher) -> None:
    """Ask for nothing, which takes no turn, until the batcher refuses even that."""
    while True:
        await batcher.encode([], "a")
        await asyncio.sleep(0.005)


def items(*texts: object) -> list[Item]:
    return [Item.of(str(text)) for text in texts]


def test_requests_share_batches_up_to_the_token_budget(model: Recorder, seen: Seen, make: Make) -> None:
    async def work() -> None:
        batcher = make()
        first = asyncio.create_task(batcher.encode(items(0), "a"))
        await until(model.started.is_set)  # the model is busy now, so the others gather
        rest = [asyncio.create_task(batcher.encode(items(n), "a")) for n in range(1, 10)]
        await until(lambda: batcher.depth == 10)
        model.gate.set()
        answers = [(await task)[0] for task in [first, *rest]]
        assert [float(row[0]) for row in answers if not isinstance(row, ItemError)] == list(
            map(float, range(10))
        )

    run(work())
    assert seen.sizes == [1, 4, 4, 1]


def test_no_request_waits_longer_than_the_cap_for_others(model: Recorder, seen: Seen, make: Make) -> None:
    async def work() -> None:
        model.gate.set()
        batcher = make(wait_seconds=0.3)
        await asyncio.gather(batcher.encode(items(1), "a"), batcher.encode(items(2), "a"))
        # Two of four fit: it waited for more, and gave up.
        assert seen.waited[0] > 0.29
        await make(wait_seconds=3600).encode(items(*range(4)), "a")  # full at once

    run(work())
    assert [len(texts) for _, texts in model.batches] == [2, 4]


def test_a_batch_holds_one_version_and_instruction(model: Recorder, make: Make) -> None:
    async def work() -> None:
        batcher = make()
        first = asyncio.create_task(batcher.encode(items(0), "a"))
        await until(model.started.is_set)
        both = [asyncio.create_task(batcher.encode(items(n), "ab"[n % 2])) for n in range(1, 5)]
        await until(lambda: batcher.depth == 5)
        model.gate.set()
        await asyncio.gather(first, *both)

    run(work())
    assert sorted(model.batches[1:]) == [("a", ["2", "4"]), ("b", ["1", "3"])]


def test_a_full_queue_refuses_with_the_time_to_come_back(model: Recorder, make: Make) -> None:
    async def work() -> None:
        batcher = make(max_items=3)
        one = asyncio.create_task(batcher.encode(items(1, 2, 3, 4), "a"))  # alone, even a longer one fits
        await until(lambda: batcher.depth == 4)
        with pytest.raises(BusyError) as refused:
            await batcher.encode(items(5), "a")
        assert 1 <= refused.value.seconds <= 60
        model.gate.set()
        await one
        await until(lambda: batcher.depth == 0)
        await batcher.encode(items(6), "a")  # there is room again

    run(work())


def test_a_cancelled_request_costs_nothing(model: Recorder, seen: Seen, make: Make) -> None:
    async def work() -> None:
        batcher = make()
        first = asyncio.create_task(batcher.encode(items(0), "a"))
        await until(model.started.is_set)
        gone = asyncio.create_task(batcher.encode(items(1, 2, 3), "a"))
        kept = asyncio.create_task(batcher.encode(items(4), "a"))
        await until(lambda: batcher.depth == 5)
        gone.cancel()
        await until(lambda: batcher.depth == 2)
        model.gate.set()
        await asyncio.gather(first, kept)

    run(work())
    assert [texts for _, texts in model.batches] == [["0"], ["4"]]
    assert seen.gone == 3


def test_background_work_waits_for_requests_and_probes_for_nothing(model: Recorder, make: Make) -> None:
    async def work() -> None:
        batcher = make(max_items=2, token_budget=160)  # 20 for background work
        first = asyncio.create_task(batcher.encode(items(0), "a"))
        await until(model.started.is_set)
        filling = asyncio.create_task(batcher.encode(items(1, 2, 3), "a", priority=BACKGROUND))
        await asyncio.sleep(0)  # the task has submitted its items
        request = asyncio.create_task(batcher.encode(items(9), "a"))
        await asyncio.sleep(0)  # the task has submitted its items
        assert batcher.depth == 2  # background work takes no place of a request
        probe = asyncio.create_task(batcher.encode(items(7), "a", priority=PROBE))
        await asyncio.sleep(0)  # the task has submitted its items
        model.gate.set()
        await asyncio.gather(first, filling, request, probe)

    run(work())
    assert [texts for _, texts in model.batches] == [["0"], ["7"], ["9"], ["1", "2"], ["3"]]


def test_background_work_is_given_up_at_the_end(model: Recorder, make: Make) -> None:
    async def work() -> None:
        batcher = make()
        first = asyncio.create_task(batcher.encode(items(0), "a"))
        await until(model.started.is_set)
        filling = asyncio.create_task(batcher.encode(items(1, 2, 3), "a", priority=BACKGROUND))
        request = asyncio.create_task(batcher.encode(items(9), "a"))
        await until(lambda: batcher.depth == 2)
        closing = asyncio.create_task(asyncio.to_thread(batcher.close, 10))
        with pytest.raises(UnavailableError, match="has stopped"):
            await until_refused(batcher)
        model.gate.set()
        await closing
        await asyncio.gather(first, request)
        with pytest.raises(UnavailableError, match="ask again"):
            await filling

    run(work())
    assert [texts for _, texts in model.batches] == [["0"], ["9"]]


def test_an_item_that_cannot_be_read_leaves_the_others_alone(model: Recorder, make: Make) -> None:
    async def work() -> None:
        model.gate.set()
        answers = await make().encode(items(1, "unreadable", "broken", 2), "a")
        assert [str(one) for one in answers if isinstance(one, ItemError)] == [
            "this item cannot be read",
            "broken",
        ]
        assert not isinstance(answers[3], ItemError)
        assert answers[3].tolist() == [2, 2]

    run(work())


def test_closing_works_off_what_waits_and_takes_nothing_more(model: Recorder, make: Make) -> None:
    async def work() -> None:
        batcher = make(wait_seconds=60)
        waiting = asyncio.create_task(batcher.encode(items(1), "a"))
        await until(lambda: batcher.depth == 1)
        model.gate.set()
        await asyncio.to_thread(batcher.close, 10)
        answer = (await waiting)[0]
        assert not isinstance(answer, ItemError)
        with pytest.raises(UnavailableError):
            await batcher.encode(items(2), "a")

    run(work())


def test_one_broken_batch_is_an_error_and_three_in_a_row_are_the_end(
    model: Recorder, make: Make, deaths: list[BaseException]
) -> None:
    async def work() -> None:
        batcher = make(token_budget=10)
        model.gate.set()
        model.error = RuntimeError("out of memory")
        for _ in range(2):
            with pytest.raises(RuntimeError, match="out of memory"):
                await batcher.encode(items(1), "a")
        model.error = None
        await batcher.encode(items(1), "a")  # a good batch in between resets the count
        assert not deaths
        model.error = RuntimeError("out of memory")
        for _ in range(3):
            with pytest.raises(RuntimeError):
                await batcher.encode(items(1), "a")
        await until(lambda: bool(deaths))
        with pytest.raises(UnavailableError):
            await batcher.encode(items(1), "a")

    run(work())
    assert [str(one) for one in deaths] == ["out of memory"]


def test_when_the_thread_dies_nobody_is_left_waiting(
    model: Recorder, make: Make, deaths: list[BaseException]
) -> None:
    async def work() -> None:
        batcher = make(token_budget=10)
        model.error = SystemExit()
        tasks = [asyncio.create_task(batcher.encode(items(n), "a")) for n in range(3)]
        await until(lambda: batcher.depth == 3)
        model.gate.set()
        answers = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(answer, UnavailableError) for answer in answers), answers
        await until(lambda: bool(deaths))

    run(work())
    assert len(deaths) == 1
