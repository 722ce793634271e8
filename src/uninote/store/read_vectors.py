"""Reader of stored vectors by id, which saves callers from encoding the same content again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector
from psycopg import sql

from uninote.store.protocol import CONTENT_KEY

_EXISTS = "SELECT to_regclass(%s) IS NOT NULL"
_READ = """
SELECT item.id, item.vector FROM unnest(%(ids)s::text[], %(keys)s::text[]) AS wanted (id, key)
JOIN {table} AS item ON item.id = wanted.id AND item.payload->>%(field)s = wanted.key
WHERE item.model_version = %(version)s AND item.kind = 'note'
"""


def vectors_of(
    connection: psycopg.Connection[Any],
    keys: Mapping[str, str],
    version: str,
    collection: str = "items",
) -> dict[str, NDArray[np.float32]]:
    """Return stored vectors, float32 [dim], of the notes whose content is that of `keys` (content key by id).

    Empty when the database holds no such collection. Raises psycopg.Error.
    """
    table = f"vectors_{collection}"
    (exists,) = connection.execute(_EXISTS, [f'uninote."{table}"']).fetchone() or (False,)
    if not exists or not keys:
        return {}
    register_vector(connection)
    statement = sql.SQL(_READ).format(table=sql.Identifier("uninote", table))
    given = {"ids": list(keys), "keys": list(keys.values()), "version": version, "field": CONTENT_KEY}
    rows = connection.execute(statement, given, binary=True)
    return {id: np.asarray(vector.to_numpy(), np.float32) for id, vector in rows}
