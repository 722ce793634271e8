"""HNSW indexes over the stored vectors of one model version: building, listing, and their cost model.

An index holds one of three forms of the vectors: all dimensions (full), the first ones (prefix, for
Matryoshka models) or their signs (binary, one bit per dimension). An index over the last two only finds
candidates, which are then ranked by the full vectors.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.orm import Session

from uninote.service.db.engine import EF, Database, driver_of
from uninote.service.db.note_tables import ModelVersion
from uninote.service.errors import InvalidError
from uninote.store.pgvector.build import build, memory_mb
from uninote.store.pgvector.search import HNSW_DIMS, MAX_EF, SPARE

# With pgvector's defaults, 16 and 64, the recall in a million vectors was at most 0.97, whatever ef_search.
LINKS, EFFORT = 24, 128

IndexForm = Literal["full", "prefix", "binary"]


@dataclass(frozen=True)
class Plan:
    """One index: its form and, for `prefix`, its number of dimensions.

    candidates: rows to fetch per result, which the full vectors then rank; `full` needs a few more only, as
    its order by the inner product of 16-bit vectors is nearly that of the cosine.
    """

    form: IndexForm
    dims: int
    candidates: int = 10

    @property
    def operand(self) -> str:
        """The indexed SQL expression; `{0}` stands for a column or a bound query."""
        return {
            "full": f"({{0}}::halfvec({self.dims}))",
            "prefix": f"(subvector({{0}}, 1, {self.dims})::halfvec({self.dims}))",
            "binary": f"(binary_quantize({{0}})::bit({self.dims}))",
        }[self.form]

    def fetched(self, k: int) -> int:
        """Return the number of rows to fetch from the index for k results."""
        return k + SPARE if self.form == "full" else max(k, min(MAX_EF, k * self.candidates))

    def ef(self, k: int) -> int:
        """Return `hnsw.ef_search` for k results: the number of candidates that the index visits."""
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
) -> Plan:
    """Build an index without blocking writes; do nothing if it exists. Takes minutes for a large corpus.

    dims: for `prefix`, default 128. links, effort: `m` and `ef_construction` of the graph; higher values
    improve the recall and take longer to build. Raises InvalidError for a bad number of dimensions,
    StoreError when the server cannot build it.
    """
    if dims is not None and form != "prefix":
        raise InvalidError(f"an index of form {form} takes no --dims: leave it out, or choose --form prefix")
    plan = Plan(form, model.dim if form != "prefix" else dims or min(model.dim, 128))
    if not 1 <= plan.dims <= model.dim:
        raise InvalidError(f"an index over {plan.dims} of {model.dim} dimensions is not possible")
    if plan.form != "binary" and plan.dims > HNSW_DIMS["half"]:
        raise InvalidError(
            f"an HNSW index holds {HNSW_DIMS['half']} dimensions, not {plan.dims}: build one of a prefix "
            "(`uninote db index --form prefix --dims 1024`) or of signs (`--form binary`)"
        )
    name = _index_name(model.id, plan)
    with database.connect(autocommit=True) as connection:

        def create() -> None:
            # A build that failed leaves an invalid index, which is dropped. A valid one of this name is kept.
            broken = "SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(%s) AND NOT indisvalid"
            if connection.execute(broken, [f"service.{name}"]).fetchone():
                connection.execute(f"DROP INDEX CONCURRENTLY service.{name}")
            connection.execute(
                f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {name} ON service.vectors "
                f"USING hnsw ({plan.operand.format('vector')} {plan.operators}) "
                f"WITH (m = {links}, ef_construction = {effort}) WHERE model_id = {model.id}"
            )

        rows = connection.execute("SELECT count(*) FROM service.vectors WHERE model_id = %s", [model.id])
        (count,) = rows.fetchone() or (0,)
        memory = memory_mb(count, plan.bytes_per_vector, links, local=database.embedded)
        build(connection, create, memory)
    return plan


class PlanCache:
    """Cache of each model's indexes, up to `seconds` old: it saves most searches a round trip."""

    def __init__(self, seconds: float = 5.0) -> None:
        self._seconds = seconds
        self._entries: dict[int, tuple[float, list[Plan]]] = {}

    def of(self, session: Session, model: ModelVersion) -> list[Plan]:
        """Return the indexes of a model, as `plans` does."""
        until, found = self._entries.get(model.id, (0.0, []))
        if time.monotonic() >= until:
            found = plans(session, model)
            self._entries[model.id] = (time.monotonic() + self._seconds, found)
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


def _index_name(model_id: int, plan: Plan) -> str:
    return f"vectors_{model_id}_{plan.form}_{plan.dims}"
