"""Noise level of search scores: what queries without a meaning reach in this service.

A score at this level says nothing about a result. It differs between models and corpora, and between texts
and pictures, so it is measured: queries of random letters, or of random coloured squares, search all stored
notes, and the level is the 95th percentile of their best scores. It changes slowly and is kept for an hour.
"""

from __future__ import annotations

import asyncio
import base64
import io
import string
import time
from random import Random
from typing import Any, Literal

import numpy as np
from PIL import Image

from uninote.errors import UniNoteError
from uninote.service.app.decode import together
from uninote.service.app.search import search_notes
from uninote.service.app.services import Services
from uninote.service.errors import ConflictError
from uninote.service.schemas.search import SearchRequest

Kind = Literal["letters", "ideographs", "pictures"]

QUERIES = {"letters": 24, "ideographs": 24, "pictures": 12}
PERCENTILE = 95
KEPT_SECONDS = 3600.0
WAIT_SECONDS = 5.0
_SIDE = 256


class Noise:
    """Noise levels of one process, measured at first use."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._levels: dict[tuple[str, Kind], tuple[float, asyncio.Task[float]]] = {}

    async def level(self, version: str, kind: Kind) -> float | None:
        """Return the level of that model version; None while it is being measured, or if it cannot be."""
        since, task = self._levels.get((version, kind), (float("-inf"), None))
        patience = 0.0  # one search waits for the measurement, those that come meanwhile do not
        if task is None or time.monotonic() > since + KEPT_SECONDS:
            task = asyncio.create_task(self._measured(version, kind))
            self._levels[version, kind] = time.monotonic(), task
            patience = WAIT_SECONDS
        done, _ = await asyncio.wait({task}, timeout=patience)
        if not done:
            return None
        if isinstance(task.exception(), UniNoteError):
            self._levels.pop((version, kind), None)
            return None
        return task.result()

    async def _measured(self, version: str, kind: Kind) -> float:
        """Measure by the active version. Raises ConflictError if that is, or becomes, another one."""
        requests = [SearchRequest.model_validate({"query": one, "k": 1}) for one in queries(kind)]
        answers = await together([search_notes(self._services, one) for one in requests])
        if any(answer.model != version for answer in answers):
            raise ConflictError("another model version became active")
        best = [answer.hits[0].score for answer in answers if answer.hits]
        return float(np.percentile(best, PERCENTILE)) if best else -1.0


def kind_of(text: str, pictures: bool) -> Kind:
    """Return the kind of meaningless queries that a query is compared with."""
    if pictures:
        return "pictures"
    return "ideographs" if any("\u3040" <= sign <= "\u9fff" for sign in text) else "letters"


def queries(kind: Kind) -> list[dict[str, Any]]:
    """Return the meaningless queries, the same at every call."""
    rng = Random(0)
    if kind == "pictures":
        return [{"pictures": [_squares(2 ** (number % 6 + 1), number)]} for number in range(QUERIES[kind])]
    alphabet = string.ascii_lowercase if kind == "letters" else [chr(sign) for sign in range(0x4E00, 0x9FA6)]
    words = rng.choices(range(1, 5), k=QUERIES[kind])
    return [
        {"text": " ".join("".join(rng.choices(alphabet, k=rng.randint(4, 9))) for _ in range(many))}
        for many in words
    ]


def _squares(across: int, seed: int) -> dict[str, str]:
    colours = np.random.default_rng(seed).integers(0, 256, (across, across, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(colours).resize((_SIDE, _SIDE), Image.Resampling.NEAREST).save(out, "PNG")
    return {"data": base64.b64encode(out.getvalue()).decode()}
