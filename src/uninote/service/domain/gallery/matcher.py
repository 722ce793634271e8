"""In-memory snapshot of the gallery, which each process keeps equal to the database."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from uninote.service.domain.base import gallery_lock
from uninote.service.domain.base.vectors import Matrix, from_database, read_binary
from uninote.service.domain.gallery.index import GalleryIndex, Ids, ReachedSample, Rotated
from uninote.service.domain.gallery.rules import hits

_MODELS = "SELECT id, version, dim, state FROM service.model_versions WHERE state <> 'retired' ORDER BY id"
# The last column: seconds until a temporarily disabled row is enabled again. That changes no revision.
_CATEGORIES = """
SELECT name, enabled AND coalesce(disabled_until <= now(), true), sampling,
    extract(epoch FROM disabled_until - now())::float8
FROM service.categories ORDER BY name
"""
_THRESHOLDS = """
SELECT DISTINCT ON (category, model_id) category, model_id, value
FROM service.thresholds ORDER BY category, model_id, id DESC
"""
_SAMPLES = """
SELECT array_agg(sample.id ORDER BY sample.id), array_agg(category.place::int4 ORDER BY sample.id),
    array_agg(sample.allow ORDER BY sample.id),
    array_agg(sample.enabled AND coalesce(sample.disabled_until <= now(), true) ORDER BY sample.id),
    min(extract(epoch FROM sample.disabled_until - now())::float8)
        FILTER (WHERE sample.disabled_until > now())
FROM service.samples AS sample
JOIN (SELECT name, row_number() OVER (ORDER BY name) - 1 AS place FROM service.categories) AS category
    ON category.name = sample.category
"""
_PRESENT = (
    "SELECT array_agg(sample_id ORDER BY sample_id) FROM service.sample_vectors WHERE model_id = %(model)s"
)
_VECTORS = """
SELECT vector FROM service.sample_vectors
WHERE model_id = %(model)s AND sample_id = ANY(%(ids)s) ORDER BY sample_id
"""
READ_CHUNK = 10_000


@dataclass(frozen=True)
class WrittenModel:
    """A model version that notes are written with: every one that is not retired."""

    id: int
    version: str
    dim: int
    state: str


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Models, categories, thresholds and samples at one revision: together they decide every match.

    deadline: monotonic time at which a temporarily disabled row is enabled and the snapshot expires.
    """

    revision: int
    deadline: float
    models: tuple[WrittenModel, ...]
    categories: frozenset[str]
    sampling: dict[str, float]
    galleries: dict[int, GalleryIndex]

    @property
    def is_fresh(self) -> bool:
        """Return whether it has not expired: it is valid if its revision is also the current one."""
        return time.monotonic() < self.deadline

    def model(self, versions: Collection[str]) -> WrittenModel | None:
        """Return the model to match with, of those in `versions`: the active one, else the newest; or None.

        The active version may change between the encoding of a note and its ingest. The note is then matched
        by a vector that it has, and the backfill adds the missing ones.
        """
        known = [model for model in self.models if model.version in versions]
        rank = {"active": 2, "shadow": 1}
        return max(known, key=lambda model: (rank.get(model.state, 0), model.id), default=None)

    def match(
        self,
        model: WrittenModel,
        queries: Matrix,
        note_ids: Sequence[str],
        categories: Sequence[frozenset[str] | None],
    ) -> list[list[ReachedSample]]:
        """Return the hits of each note, best first: by `rules.hits`, and within its category's sampling."""
        found = self.galleries[model.id].match(queries, categories)
        return [self._reported(note_id, reached) for note_id, reached in zip(note_ids, found, strict=True)]

    def _reported(self, note_id: str, found: list[ReachedSample]) -> list[ReachedSample]:
        if not found:  # as with most notes
            return found
        hit = hits(
            np.array([sample.score for sample in found]),
            np.array([sample.threshold for sample in found]),
            np.array([sample.allow for sample in found]),
            np.array([sample.category for sample in found]),
        )
        return [
            sample
            for sample, is_hit in zip(found, hit, strict=True)
            if is_hit and sampled(note_id, sample.category, self.sampling[sample.category])
        ]


def sampled(note_id: str, category: str, ratio: float) -> bool:
    """Return whether a note is in the reported fraction of its category. Every replica decides alike."""
    if ratio >= 1:
        return True
    digest = hashlib.sha256(f"{len(category)}:{category}{note_id}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8]) / 2**64 < ratio


class Matcher:
    """Cache of the snapshot of the current revision; thread-safe.

    A refresh reads only vectors that are not in memory yet, so after a change to a large gallery it takes as
    long as reading the other columns.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._snapshot: Snapshot | None = None
        self._vectors: dict[int, Rotated] = {}

    def latest(self) -> Snapshot | None:
        """Return the snapshot in memory, which may be out of date; None before the first `snapshot`."""
        return self._snapshot

    def snapshot(self, session: Session) -> Snapshot:
        """Return the snapshot of the current revision, which cannot change until this transaction ends."""
        revision = gallery_lock.lock_shared(session)
        cached = self._snapshot
        if cached and cached.revision == revision and cached.is_fresh:
            return cached
        with self._lock:
            cached = self._snapshot
            if cached and cached.revision == revision and cached.is_fresh:
                return cached
            loaded = self._load(session, revision)
            if not cached or loaded.revision >= cached.revision:
                self._snapshot = loaded
            return loaded

    def _load(self, session: Session, revision: int) -> Snapshot:
        def rows(statement: str, **values: Any) -> list[Any]:
            return read_binary(session, statement, values)

        models = tuple(WrittenModel(*row) for row in rows(_MODELS))
        categories = rows(_CATEGORIES)
        ids, places, allow, enabled, wait = rows(_SAMPLES)[0]
        waits = [wait] if wait is not None else []
        waits += [seconds for *_, seconds in categories if seconds is not None and seconds > 0]
        thresholds = {(model, name): value for name, model, value in rows(_THRESHOLDS)}
        on = np.array([is_on for _, is_on, _, _ in categories], np.bool_)
        all_ids = np.array(ids or [], np.int64)
        all_places = np.array(places or [], np.int32)
        usable = np.array(enabled or [], np.bool_) & (on[all_places] if len(on) else True)
        galleries = {}
        for model in models:
            vectors = self._vectors_of(session, model)
            here = np.searchsorted(all_ids, vectors.ids)
            limits = np.array([thresholds.get((model.id, name), np.inf) for name, *_ in categories])
            galleries[model.id] = GalleryIndex(
                vectors=vectors,
                names=tuple(name for name, *_ in categories),
                places=all_places[here],
                thresholds=np.where(usable[here], limits[all_places[here]], np.inf)
                if len(here)
                else np.empty(0),
                allow=np.array(allow or [], np.bool_)[here],
            )
        self._vectors = {model.id: galleries[model.id].vectors for model in models}
        return Snapshot(
            revision=revision,
            deadline=time.monotonic() + min(waits, default=float("inf")),
            models=models,
            categories=frozenset(name for name, *_ in categories),
            sampling={name: ratio for name, _, ratio, _ in categories},
            galleries=galleries,
        )

    def _vectors_of(self, session: Session, model: WrittenModel) -> Rotated:
        """Return the model's sample vectors. Only new ones are read, since a stored vector never changes."""
        ((present,),) = read_binary(session, _PRESENT, {"model": model.id})
        ids: Ids = np.array(present or [], np.int64)
        cached = self._vectors.get(model.id)
        keep = np.intersect1d(ids, cached.ids, assume_unique=True) if cached else ids[:0]
        if cached and len(keep) == len(ids) == len(cached.ids):
            return cached
        new = np.setdiff1d(ids, keep, assume_unique=True)
        fresh = np.empty((len(new), model.dim), np.float32)
        for start in range(0, len(new), READ_CHUNK):
            chunk = {"model": model.id, "ids": new[start : start + READ_CHUNK].tolist()}
            values = [row[0] for row in read_binary(session, _VECTORS, chunk)]
            fresh[start : start + len(values)] = from_database(values, model.dim)
        return cached.updated(keep, new, fresh) if cached else Rotated.of(new, fresh)
