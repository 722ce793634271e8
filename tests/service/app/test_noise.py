"""The noise level: what queries without a meaning reach, measured once and kept."""

from __future__ import annotations

import asyncio
import base64
from typing import Any, cast

import numpy as np
import pytest

from uninote.service.app import noise
from uninote.service.app.noise import Noise, kind_of, queries
from uninote.service.app.services import Services
from uninote.service.errors import BusyError
from uninote.service.schemas.search import FoundNote, SearchAnswer, SearchRequest


def found(score: float) -> SearchAnswer:
    hit = FoundNote(
        note_id="n", score=score, kind="note", category="", time=None, title="", preview="", pictures=[]
    )
    return SearchAnswer(model="m", hits=[hit], next=None)


def searches(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> list[SearchRequest]:
    """Let searches find these best scores; return the list of what was asked."""
    asked: list[SearchRequest] = []

    async def search(services: Services, request: SearchRequest) -> SearchAnswer:
        asked.append(request)
        return found(scores[(len(asked) - 1) % len(scores)])

    monkeypatch.setattr(noise, "search_notes", search)
    return asked


def test_the_level_is_the_95th_percentile_and_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = [n / 100 for n in range(24)]
    asked = searches(monkeypatch, scores)

    async def twice() -> list[float | None]:
        levels = Noise(cast(Services, None))
        return [await levels.level("m", "letters"), await levels.level("m", "letters")]

    assert asyncio.run(twice()) == [pytest.approx(np.percentile(scores, 95))] * 2
    assert len(asked) == 24
    assert all(one.query.text and one.k == 1 for one in asked)


def test_a_service_that_cannot_measure_has_no_level_and_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(services: Services, request: SearchRequest) -> SearchAnswer:
        raise BusyError("the queue is full", 1)

    async def twice() -> tuple[float | None, float | None]:
        levels = Noise(cast(Services, None))
        monkeypatch.setattr(noise, "search_notes", busy)
        first = await levels.level("m", "letters")
        searches(monkeypatch, [0.5])
        return first, await levels.level("m", "letters")

    assert asyncio.run(twice()) == (None, 0.5)


def test_a_level_is_not_measured_by_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another one became active between the search and the measurement.
    searches(monkeypatch, [0.5])  # by "m"
    assert asyncio.run(Noise(cast(Services, None)).level("before", "letters")) is None


@pytest.mark.parametrize("kind", ["letters", "ideographs", "pictures"])
def test_the_queries_are_the_same_at_every_call(kind: Any) -> None:
    made = queries(kind)
    assert made == queries(kind)
    assert len({str(one) for one in made}) == len(made) == noise.QUERIES[kind]
    if kind == "pictures":
        assert base64.b64decode(made[0]["pictures"][0]["data"]).startswith(b"\x89PNG")


def test_a_query_is_compared_with_noise_of_its_kind() -> None:
    assert kind_of("rain", False) == "letters"
    assert kind_of("下雨 rain", False) == "ideographs"
    assert kind_of("rain", True) == "pictures"
