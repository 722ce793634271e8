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
from uninote.store.pgvector.search import EXACT_BELOW, MAX_EF, TUNE_HNSW, exact_order
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
_DISTANCE = "CASE WHEN model_id = %(model)s THEN vector <#> %(query)b::halfvec END"
_COLUMNS = f"note_id, -({_DISTANCE}), kind, category, time"
_BEST = exact_order(_DISTANCE, "note_id")
_EXACT = f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} {_BEST}"
_WITHIN = (
    f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} AND -({_DISTANCE}) >= %(threshold)s {_BEST}"
)
# Distances below -1 come from rounding to 16 bits. Their score is shown as 1, so they are ordered as 1.
_RANK = f"greatest(round(({_DISTANCE}) * 1e6), -1e6)"
_AFTER = (
    f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} "
    f"AND (-({_DISTANCE}) >= %(threshold)s OR %(threshold)s <= -1) "
    f"AND ({_RANK}, note_id) > (%(rank)s, %(after)s) ORDER BY {_RANK}, note_id LIMIT %(k)s"
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
    if plan == "auto":
        usable = cache.of(session, model) if cache else plans(session, model)
        plan = _choose(session, usable if k <= MAX_EF else [], values)
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
        found = _read(driver.execute(text, values, prepare=True))
        if len(found) == k:
            return found
    with driver.pipeline():  # one round trip, and in autocommit one transaction
        driver.execute(TUNE_HNSW, [str(plan.ef(k))])
        rows = driver.execute(text, values)
        driver.execute("SET LOCAL enable_sort = on")
    found = _read(rows)
    return found if len(found) == k else _hits(session, _EXACT, values)


def within(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    threshold: float,
    filter: Filter = EVERYTHING,
    limit: int = MAX_K,
) -> list[NoteHit]:
    """Return the notes with score >= threshold, best first, at most `limit`; always exact.

    Raises InvalidError for a bad threshold, limit or filter, VectorError for a bad query.
    """
    if not -1 <= threshold <= 1:
        raise InvalidError(f"a threshold is a cosine in [-1, 1], not {threshold}")
    if not 1 <= limit <= MAX_K:
        raise InvalidError(f"a limit is 1 to {MAX_K}, not {limit}")
    values = _values(model, filter, float16_unit(query, model.dim))
    # The database compares with a margin, because the threshold is for rounded scores.
    found = _hits(session, _WITHIN, values | {"threshold": threshold - 1e-6, "k": limit})
    return [hit for hit in found if hit.score >= threshold]


def rescored(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    ids: Sequence[str],
    k: int,
    filter: Filter = EVERYTHING,
    *,
    threshold: float = -1.0,
) -> list[NoteHit]:
    """Return the best k of the notes `ids` that are stored, pass the filter and reach the threshold.

    For the candidates of a vector cluster, which may be out of date. Scores are those of `search`. Raises as
    `within`.
    """
    if not -1 <= threshold <= 1:
        raise InvalidError(f"a threshold is a cosine in [-1, 1], not {threshold}")
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is 1 to {MAX_K}, not {k}")
    values = _values(model, filter, float16_unit(query, model.dim)) | {"ids": list(ids), "k": k}
    return [hit for hit in _hits(session, _OF_IDS, values) if hit.score >= threshold]


def following(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    after: tuple[float, str],
    k: int,
    filter: Filter = EVERYTHING,
    *,
    threshold: float = -1.0,
) -> list[NoteHit]:
    """Return the next k notes of a result after `after`, a score and an id (keyset paging); always exact.

    Every page costs the same. Raises as `within`.
    """
    score, note_id = after
    if not (-1 <= threshold <= 1 and -1 <= score <= 1):
        raise InvalidError("a score and a threshold are cosines in [-1, 1]")
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is 1 to {MAX_K}, not {k}")
    values = _values(model, filter, float16_unit(query, model.dim))
    place = {"rank": round(-score * 1e6), "after": note_id, "threshold": threshold - 1e-6, "k": k}
    return [hit for hit in _hits(session, _AFTER, values | place) if hit.score >= threshold]


def _choose(session: Session, usable: Sequence[Plan], values: Mapping[str, Any]) -> Plan | Literal["exact"]:
    if not usable:
        return "exact"
    if _unfiltered(values):
        return usable[0]  # an operator built the index for searches over all notes
    ((selected,),) = _run(session, _COUNT, {**values, "k": EXACT_BELOW + 1}).fetchall()
    return usable[0] if selected > EXACT_BELOW else "exact"


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
