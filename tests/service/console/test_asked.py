"""Files that the address of a search names: the limit of a request holds for them together."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from uninote.service.console import asked
from uninote.service.console.asked import Asked, request_of
from uninote.service.errors import TooLargeError


def test_an_address_that_names_one_picture_many_times_is_refused_before_it_is_read_as_often(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads: list[str] = []

    async def read(services: Any, digest: str, kind: str) -> bytes:
        reads.append(digest)
        return bytes(400)

    monkeypatch.setattr(asked.search_inputs, "read", read)
    services: Any = SimpleNamespace(options=SimpleNamespace(max_body_bytes=1000))
    request = asyncio.run(request_of(services, Asked(pictures=("a", "b"))))
    assert len(request.query.pictures) == 2
    with pytest.raises(TooLargeError, match="take some away"):
        asyncio.run(request_of(services, Asked(pictures=("a",) * 64)))
    with pytest.raises(TooLargeError):
        asyncio.run(request_of(services, Asked(pictures=("a", "b"), video="c")))
    assert len(reads) == 2 + 3 + 3
