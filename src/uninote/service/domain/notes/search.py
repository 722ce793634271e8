"""Search over the stored notes by one model version: the k nearest, or all above a threshold.

A search uses an HNSW index if one exists (`vector_index`). Without an index, and for filters that select few
notes, it compares every selected vector.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from numpy.typing import ArrayLike
from sqlalchemy.orm import Session

from uninote.service.db.engine import EF, driver_of
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base.filters import filter_values
from uninote.service.domain.base.vectors import Float16, as_parameter, float16_unit
from uninote.service.domain.notes.vector_index import Plan, PlanCache, plans
from uninote.service.errors import InvalidError
from uninote.store.pgvector.filters import FILTER
from uninote.store.pgvector.search import EXACT_BELOW, MAX_EF, TUNE_HNSW, exact_order, minus_cosine
from uninote.store.protocol import EVERYTHING, Filter
from uninote.store.validate import cosine

MAX_K = 10_000


@dataclass(frozen=True)
class NoteHit:
    """A stored note; `score` is the cosine with the query, to six decimals."""

    note_id: str
    score: float
    kind: str
    category: str
    time: datetime | None


_FILTER = f"model_id = %(model)s AND {FILTER}"
# The model is checked first: vectors of other models have other dimensions, and comparing them is an error.
_DISTANCE = f"CASE WHEN model_id = %(model)s THEN {minus_cosine('vector', '%(query)b::halfvec')} END"
_RANK = f"round(({_DISTANCE}) * 1e6)"  # minus the score in millionths, by which results are ordered
_SCORE = f"-{_RANK} / 1e6"
_COLUMNS = f"note_id, {_SCORE}, kind, category, time"
_BEST = exact_order(_DISTANCE, "note_id")
_EXACT = f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} {_BEST}"
_WITHIN = (
    f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} AND {_SCORE} >= %(threshold)s::float8 "
    f"AND (%(rank)s::float8 IS NULL OR ({_RANK}, note_id) > (%(rank)s::float8, %(after)s)) {_BEST}"
)
_NEAR = "SELECT {what} FROM service.vectors WHERE {filter} ORDER BY {column} {operator} {query} LIMIT {many}"
_RESCORED = f"SELECT {_COLUMNS} FROM ({{near}}) AS near {_BEST}"
_COUNT = f"SELECT count(*) FROM (SELECT 1 FROM service.vectors WHERE {_FILTER} LIMIT %(k)s) AS selected"
_OF_IDS = f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} AND note_id = ANY(%(ids)s::text[]) {_BEST}"


def search(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    k: int,
    filter: Filter = EVERYTHING,
    *,
    plan: Plan | Literal["exact", "auto"] = "auto",
    cache: PlanCache | None = None,
) -> list[NoteHit]:
    """Return the k nearest notes, best first, equal scores by id. `query` is float [dim].

    plan: the index to use. `auto` takes the most accurate one; it compares exactly without an index, when a
    filter selects at most `EXACT_BELOW` notes, and when the index returned fewer than k. cache: saves `auto`
    the look-up of the indexes. Raises InvalidError for a bad k or filter, VectorError for a bad query.
    """
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is 1 to {MAX_K}, not {k}")
    values = _values(model, filter, float16_unit(query, model.dim)) | {"k": k}
    # One more than the most results of a page tells whether there is another one.
    if plan == "auto":
        usable = cache.of(session, model) if cache else plans(session, model)
        plan = _choose(session, usable if k <= MAX_EF + 1 else [], values)
    if plan == "exact":
        return _hits(session, _EXACT, values)
    full = plan.form == "full"
    unfiltered = _unfiltered(values)
    near = _NEAR.format(
        what=_COLUMNS if full else "*",
        filter="model_id = %(model)s" if unfiltered else _FILTER,
        column=plan.operand.format("vector"),
        operator=plan.operator,
        query=plan.operand.format("%(query)b::halfvec"),
        many=plan.fetched(k),
    )
    # Model and limit are part of the text, so that a cached query plan uses the partial index of this model.
    text = (near if full else _RESCORED.format(near=near)).replace("%(model)s", str(int(model.id)))
    driver = driver_of(session)
    if unfiltered and plan.ef(k) == EF:  # the connections' setting, see `db.engine`
        found = _read(driver.execute(text, values, prepare=True))[:k]
        if len(found) == k:
            return found
    with driver.pipeline():  # one round trip, and in autocommit one transaction
        driver.execute(TUNE_HNSW, [str(plan.ef(k))])
        rows = driver.execute(text, values)
        driver.execute("SET LOCAL enable_sort = on")
    found = _read(rows)[:k]
    return found if len(found) == k else _hits(session, _EXACT, values)


def within(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    threshold: float,
    filter: Filter = EVERYTHING,
    *,
    limit: int | None = None,
    after: tuple[float, str] | None = None,
) -> list[NoteHit]:
    """Return the notes with score >= threshold, best first; always exact.

    after: the score and id of a note; only notes that follow it (keyset paging; every page costs the same).
    limit: the most notes to return, None for all of them. Raises InvalidError for a bad threshold, limit or
    filter, VectorError for a bad query.
    """
    score, note_id = after or (0.0, "")
    if not (-1 <= threshold <= 1 and -1 <= score <= 1):
        raise InvalidError(f"scores and thresholds are cosines in [-1, 1], not {threshold} and {score}")
    if limit is not None and not 1 <= limit <= MAX_K:
        raise InvalidError(f"a limit is 1 to {MAX_K}, not {limit}")
    values = _values(model, filter, float16_unit(query, model.dim))
    place = {"rank": None if after is None else round(-score * 1e6), "after": note_id}
    return _hits(session, _WITHIN, values | place | {"threshold": threshold, "k": limit})


def rescored(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    ids: Sequence[str],
    k: int,
    filter: Filter = EVERYTHING,
) -> list[NoteHit] | None:
    """Return the best k of the notes `ids` that are stored and pass the filter, with scores as of `search`.

    For the candidates of a vector cluster, which may be out of date. None when they are fewer than k although
    more notes pass the filter: search the database then. Raises as `search`.
    """
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is 1 to {MAX_K}, not {k}")
    values = _values(model, filter, float16_unit(query, model.dim)) | {"ids": list(ids), "k": k}
    found = _hits(session, _OF_IDS, values)
    return found if len(found) == min(k, _selected(session, values)) else None


def _choose(session: Session, usable: Sequence[Plan], values: Mapping[str, Any]) -> Plan | Literal["exact"]:
    if not usable:
        return "exact"
    if _unfiltered(values):
        return usable[0]  # an operator built the index for searches over all notes
    many = _selected(session, {**values, "k": EXACT_BELOW + 1}) > EXACT_BELOW
    return usable[0] if many else "exact"


def _selected(session: Session, values: Mapping[str, Any]) -> int:
    """Return the number of notes that pass the filter, at most `k`."""
    ((selected,),) = _run(session, _COUNT, values).fetchall()
    return int(selected)


def _unfiltered(values: Mapping[str, Any]) -> bool:
    return all(values[name] is None for name in ("kinds", "categories", "since", "until"))


def _values(model: ModelVersion, filter: Filter, query: Float16) -> dict[str, Any]:
    return filter_values(filter) | {"model": model.id, "query": as_parameter(query)}


def _hits(session: Session, statement: str, values: Mapping[str, Any]) -> list[NoteHit]:
    return _read(_run(session, statement, values))


def _read(rows: Iterable[Any]) -> list[NoteHit]:
    hits = [NoteHit(row[0], cosine(row[1]), *row[2:]) for row in rows]
    return sorted(hits, key=lambda hit: (-hit.score, hit.note_id))


def _run(session: Session, statement: str, values: Mapping[str, Any]) -> Any:
    return driver_of(session).execute(statement, values)
