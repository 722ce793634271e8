"""Work ahead in threads: order, bounds, errors in their turn, and no thread after the end."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from typing import Any

import pytest

from uninote.encoder import threads
from uninote.encoder.threads import Threads, ahead


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    """A name of threads, none of which is left after the test."""
    yield request.node.name
    for thread in threading.enumerate():
        if thread.name.startswith(request.node.name):
            thread.join(60)
            assert not thread.is_alive()


def test_results_come_in_order_whichever_is_first(name: str) -> None:
    """Let each odd task wait for the even one after it."""
    done = [threading.Event() for _ in range(8)]

    def make(number: int) -> int:
        if number % 2 and number < 7:
            assert done[number + 1].wait(60)
        done[number].set()
        return number * number

    assert list(ahead(make, range(8), Threads(2, name), 3)) == [(n, n * n) for n in range(8)]


@pytest.mark.parametrize("depth", [1, 3])
def test_the_queue_is_bounded(name: str, depth: int) -> None:
    begun: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(20):
            begun.append(number)
            yield number

    for number, _ in ahead(lambda n: n, tasks(), Threads(4, name), depth):
        assert len(begun) == min(20, number + 1 + depth)


def test_an_error_is_raised_in_its_turn(name: str) -> None:
    results = ahead(lambda n: 6 // n, [3, 2, 1, 0, 1], Threads(3, name), 4)
    assert [next(results)[1] for _ in range(3)] == [2, 3, 6]
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_early_stop_cancels_what_has_not_started(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, release, ran = threading.Event(), threading.Event(), list[int]()

    def make(number: int) -> int:
        ran.append(number)
        if number == 1:
            first.set()
            assert release.wait(60)
        return number

    running = ahead(make, range(9), Threads(1, name), 4)
    assert next(running) == (0, 0)
    assert first.wait(60)
    waited: list[Any] = []

    def released(futures: list[Any]) -> None:
        release.set()  # not before the others were cancelled
        waited.extend(wait(futures).done)

    monkeypatch.setattr(threads, "wait", released)
    running.close()
    assert [future.result() for future in waited] == [1]
    assert ran == [0, 1]


def test_callers_share_the_threads(name: str) -> None:
    """Run 2 x 8 calls of two callers on 3 threads; each waits until three run at once."""
    shared, lock = Threads(3, name), threading.Lock()
    full, running, most = threading.Barrier(3), 0, 0

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        full.wait(60)
        with lock:
            running -= 1

    callers = [threading.Thread(target=shared.run, args=([call] * 9,)) for _ in range(2)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert most == 3
    assert copy.deepcopy({"a": shared})["a"] is shared


def test_the_first_error_of_several_calls_is_raised(name: str) -> None:
    def fail() -> None:
        raise KeyError("x")

    for count in (1, 4):
        with pytest.raises(KeyError):
            Threads(count, name).run([lambda: None, fail, lambda: None])
