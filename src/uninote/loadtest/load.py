"""Open-loop sender: sends each request when it is due, and records its due, send and answer times."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uninote.errors import ConfigError
from uninote.loadtest.client import LOST, Client, Target

MAX_CONNECTIONS = 900  # select() takes 1024 files
LEAD_SECONDS = 0.2  # from the opened connections to the first request

Times = NDArray[np.float64]


@dataclass(frozen=True)
class Answers:
    """One row per request, in the order they were due; seconds since the start, float64 [n].

    status: int64 [n], of HTTP, `LOST` where no answer came. done: when it came or was given up.
    """

    due: Times
    sent: Times
    done: Times
    status: NDArray[np.int64]


def put_load(
    target: Target,
    due: Times,
    bodies: Sequence[bytes] | Callable[[int], bytes],
    *,
    connections: int = 64,
    timeout: float = 10,
) -> Answers:
    """Send `bodies[i]` (or `bodies(i)`) at `due[i]` seconds, whatever became of those before.

    Raises ConfigError when nothing answers at the address at all.
    """
    if not 1 <= connections <= MAX_CONNECTIONS:
        raise ConfigError(f"connections must be 1 to {MAX_CONNECTIONS}, not {connections}")
    body_of = bodies if callable(bodies) else bodies.__getitem__
    # The default loop wakes at whole milliseconds, which would count as latency; this one does not.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(_run(target, due, body_of, connections, timeout))


async def _run(
    target: Target, due: Times, body_of: Callable[[int], bytes], connections: int, timeout: float
) -> Answers:
    loop = asyncio.get_running_loop()
    client = Client(target, connections, timeout)
    await client.warm()
    sent, done = np.full(len(due), np.nan), np.full(len(due), np.nan)
    status = np.full(len(due), LOST, np.int64)
    start = loop.time() + LEAD_SECONDS
    left, all_done = len(due), asyncio.Event()

    def ended(number: int, answer: int) -> None:
        nonlocal left
        status[number], done[number] = answer, loop.time() - start
        left -= 1
        if not left:
            all_done.set()

    for number, moment in enumerate(due.tolist()):
        body = body_of(number)
        wait = start + moment - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        elif number % 64 == 0:
            await asyncio.sleep(0)  # a late sender still reads the answers
        sent[number] = loop.time() - start
        client.send(body, partial(ended, number))
    await all_done.wait()
    client.close()
    return Answers(due, sent, done, status)
