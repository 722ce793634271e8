"""Search over the stored notes: top k and everything above a threshold, by one model version.

An index is made over one of three forms of the vectors of one version: all dimensions, the first ones
(Matryoshka) or their signs (binary, one bit each). The last two find candidates, which the full vectors then
put in order. Without an index, and for filters that select few notes, every selected vector is compared.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from numpy.typing import ArrayLike
from sqlalchemy.orm import Session

from uninote.service.db.engine import EF, Database, driver_of
from uninote.service.db.note_tables import ModelVersion
from uninote.service.domain.base.filters import filter_values
from uninote.service.domain.base.vectors import Float16, as_parameter, float16_unit
from uninote.service.errors import InvalidError
from uninote.store.pgvector.filters import FILTER
from uninote.store.pgvector.search import EXACT_BELOW, MAX_EF, TUNE_HNSW, exact_order
from uninote.store.protocol import EVERYTHING, Filter
from uninote.store.validate import cosine

MAX_K = 10_000
# pgvector's own, 16 and 64, found no more than 0.97 of the nearest in a million, however long it looked.
LINKS, EFFORT = 24, 128
BUILD_MB, GRAPH_BYTES = 4096, 400  # of a build; the second is for the bookkeeping of one vector

IndexForm = Literal["full", "prefix", "binary"]


@dataclass(frozen=True)
class Plan:
    """Which index to use: its form and, for `prefix`, how many dimensions it holds.

    `candidates` are fetched per wanted result and put in order by the full vectors; `full` needs none.
    """

    form: IndexForm
    dims: int
    candidates: int = 10

    @property
    def operand(self) -> str:
        """Return the indexed expression; `{0}` is a column or a bound query."""
        return {
            "full": f"({{0}}::halfvec({self.dims}))",
            "prefix": f"(subvector({{0}}, 1, {self.dims})::halfvec({self.dims}))",
            "binary": f"(binary_quantize({{0}})::bit({self.dims}))",
        }[self.form]

    def fetched(self, k: int) -> int:
        """Return how many rows the index is asked for when k are wanted."""
        return k if self.form == "full" else min(MAX_EF, max(k, k * self.candidates))

    def ef(self, k: int) -> int:
        """Return how many candidates the index looks at for k results."""
        return min(MAX_EF, max(EF, 4 * k, self.fetched(k)))

    @property
    def bytes_per_vector(self) -> int:
        return self.dims // 8 if self.form == "binary" else 2 * self.dims

    @property
    def operator(self) -> str:
        return {"full": "<#>", "prefix": "<=>", "binary": "<~>"}[self.form]

    @property
    def operators(self) -> str:
        return {"full": "halfvec_ip_ops", "prefix": "halfvec_cosine_ops", "binary": "bit_hamming_ops"}[
            self.form
        ]


@dataclass(frozen=True)
class NoteHit:
    """A stored note; `score` is the cosine with the query, to six decimals."""

    note_id: str
    score: float
    kind: str
    category: str
    time: datetime | None


_FILTER = f"model_id = %(model)s AND {FILTER}"
# The model is asked first: vectors of other models have other dimensions, and comparing them is an error.
_DISTANCE = "CASE WHEN model_id = %(model)s THEN vector <#> %(query)b::halfvec END"
_COLUMNS = f"note_id, -({_DISTANCE}), kind, category, time"
_BEST = exact_order(_DISTANCE, "note_id")
_EXACT = f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} {_BEST}"
_WITHIN = (
    f"SELECT {_COLUMNS} FROM service.vectors WHERE {_FILTER} AND -({_DISTANCE}) >= %(threshold)s {_BEST}"
)
# Distances below -1 come from rounding to 16 bits; they are shown, and so must be ordered, as a score of 1.
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
_INDEXES = """
SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
WHERE indrelid = 'service.vectors'::regclass AND indisvalid AND relname LIKE %(name)s
"""


def build_index(
    database: Database,
    model: ModelVersion,
    form: IndexForm = "full",
    dims: int | None = None,
    *,
    links: int = LINKS,
    effort: int = EFFORT,
    memory_mb: int = BUILD_MB,
) -> Plan:
    """Build the index while notes are written; does nothing when it exists. Minutes for a large corpus.

    links, effort: `m` and `ef_construction` of the graph; more finds more and takes longer to build.
    memory_mb: what the server may use for it at most; a graph that does not fit is built many times slower.
    """
    plan = Plan(form, model.dim if form != "prefix" else dims or min(model.dim, 128))
    if not 1 <= plan.dims <= model.dim:
        raise InvalidError(f"an index over {plan.dims} of {model.dim} dimensions is not possible")
    name = _index_name(model.id, plan)
    with database.connect(autocommit=True) as connection:
        # Left invalid by a build that was killed; a valid one of the same name is kept.
        broken = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
        if connection.execute(broken, [f"service.{name}"]).fetchone():
            connection.execute(f"DROP INDEX CONCURRENTLY service.{name}")
        rows = connection.execute("SELECT count(*) FROM service.vectors WHERE model_id = %s", [model.id])
        (count,) = rows.fetchone() or (0,)
        needed = count * (plan.bytes_per_vector + GRAPH_BYTES + 32 * links) >> 20
        memory = max(64, min(memory_mb, needed + needed // 4))
        connection.execute(f"SET maintenance_work_mem = '{memory}MB'")
        connection.execute(
            f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON service.vectors "
            f"USING hnsw ({plan.operand.format('vector')} {plan.operators}) "
            f"WITH (m = {links}, ef_construction = {effort}) WHERE model_id = {model.id}"
        )
    return plan


class Plans:
    """The indexes of each model as they were up to `seconds` ago: a round trip less for most searches."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._known: dict[int, tuple[float, list[Plan]]] = {}

    def of(self, session: Session, model: ModelVersion) -> list[Plan]:
        until, found = self._known.get(model.id, (0.0, []))
        if time.monotonic() >= until:
            found = plans(session, model)
            self._known[model.id] = (time.monotonic() + self._seconds, found)
        return found


def plans(session: Session, model: ModelVersion) -> list[Plan]:
    """Return the indexes of this model, the most accurate first."""
    wanted = {"name": f"vectors\\_{model.id}\\_%"}
    rows = driver_of(session).execute(_INDEXES, wanted, prepare=True)
    found = []
    for (name,) in rows:
        _, _, form, dims = name.split("_")
        found.append(Plan(form, int(dims)))
    order = ["full", "prefix", "binary"]
    return sorted(found, key=lambda plan: (order.index(plan.form), -plan.dims))


def search(
    session: Session,
    model: ModelVersion,
    query: ArrayLike,
    k: int,
    filter: Filter = EVERYTHING,
    *,
    plan: Plan | Literal["exact", "auto"] = "auto",
    known: Plans | None = None,
) -> list[NoteHit]:
    """Return the k nearest notes, best first, equal scores by id. `query` is float [dim].

    `auto` compares exactly when nothing is indexed, a filter selects at most `EXACT_BELOW` notes, or the
    index came back short; `known` remembers for it what is indexed. Raises InvalidError for a bad k or
    filter, VectorError for a bad query.
    """
    if not 1 <= k <= MAX_K:
        raise InvalidError(f"k is 1 to {MAX_K}, not {k}")
    values = _values(model, filter, float16_unit(query, model.dim)) | {"k": k}
    if plan == "auto":
        usable = known.of(session, model) if known else plans(session, model)
        plan = _choose(session, usable if k <= MAX_EF else [], values)
    if plan == "exact":
        return _hits(session, _EXACT, values)
    full = plan.form == "full"
    everything = _unfiltered(values)
    near = _NEAR.format(
        what=_COLUMNS if full else "*",
        filter="model_id = %(model)s" if everything else _FILTER,
        column=plan.operand.format("vector"),
        operator=plan.operator,
        query=plan.operand.format("%(query)b::halfvec"),
        many=plan.fetched(k),
    )
    # Model and limit are part of the text: a cached plan fits the index of one model only then.
    text = (near if full else _RESCORED.format(near=near)).replace("%(model)s", str(int(model.id)))
    driver = driver_of(session)
    if everything and plan.ef(k) == EF:  # what the connections came with
        found = _read(driver.execute(text, values, prepare=True))
        if len(found) == k:
            return found
    with driver.pipeline():  # one round trip; without a transaction around it, it is one of its own
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
    """Return every note with score >= threshold, the best `limit` of them; always exact.

    Raises InvalidError for a bad threshold, limit or filter, VectorError for a bad query.
    """
    if not -1 <= threshold <= 1:
        raise InvalidError(f"a threshold is a cosine in [-1, 1], not {threshold}")
    if not 1 <= limit <= MAX_K:
        raise InvalidError(f"a limit is 1 to {MAX_K}, not {limit}")
    values = _values(model, filter, float16_unit(query, model.dim))
    # Scores are compared as they are shown, rounded.
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
    """Return the best k of these notes that are there, selected, and reach the threshold, scored as by
    `search`.

    For candidates that a vector cluster found, which may be out of date. Raises what `within` raises.
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
    """Return the k notes after the score and id of `after` in a result; always exact.

    Page by page through any number of results, each page costing the same. Raises what `within` raises.
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
        return usable[0]  # somebody found all notes worth an index
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


def _index_name(model_id: int, plan: Plan) -> str:
    return f"vectors_{model_id}_{plan.form}_{plan.dims}"


def _run(session: Session, statement: str, values: Mapping[str, Any]) -> Any:
    return driver_of(session).execute(statement, values)
