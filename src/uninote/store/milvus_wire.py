"""Wire format of the Milvus store: addresses, rows, hits and filter expressions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote, urlsplit

from uninote.errors import StoreError
from uninote.store.protocol import Filter, Hit
from uninote.store.validate import CheckedRecord, cosine, storable

SCHEMES = {"milvus": "http", "milvus+tls": "https"}
NO_TIME = -(2**62)
FIELDS = ["kind", "category", "payload"]  # of a hit


def parts_of(address: str) -> tuple[str, str, str]:
    """Return URI, token and database for the client. Raises StoreError without repeating the address."""
    try:
        given = urlsplit(address)
        scheme, host, port = SCHEMES[given.scheme], given.hostname, given.port or 19530
    except (KeyError, ValueError):
        host = None
    if not host:
        raise StoreError("store.address is not a Milvus address (milvus://user:password@host:19530)")
    token = f"{unquote(given.username)}:{unquote(given.password or '')}" if given.username else ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port}", token, given.path.strip("/")


def row_of(record: CheckedRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "vector": record.vector.tolist(),
        "kind": record.kind,
        "category": record.category,
        "model_version": record.model_version,
        "time": NO_TIME if record.time is None else _microseconds(record.time),
        "payload": record.payload,
    }


def hit_of(found: Any) -> Hit:
    entity = found.get("entity", found)
    score = cosine(float(found["distance"]))
    return Hit(found["id"], score, entity["kind"], entity["category"], json.loads(entity["payload"]))


def _microseconds(moment: datetime) -> int:
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def among(column: str, names: Sequence[str]) -> str:
    """Return the expression of the rows with one of these names; the client's `ids=` does not escape them."""
    return f"{column} in [{', '.join(map(quoted, names))}]"


def expression_of(filter: Filter) -> str | None:
    """Return the filter as a Milvus expression: `""` for everything, None if it selects nothing."""
    terms = []
    for column, allowed in (
        ("kind", filter.kinds),
        ("category", filter.categories),
        ("model_version", filter.model_versions),
    ):
        if allowed is not None:
            names = [name for name in allowed if storable(name)]
            if not names:
                return None
            terms.append(among(column, names))
    if filter.since is not None or filter.until is not None:
        terms.append(f"time > {NO_TIME}")
    if filter.since is not None:
        terms.append(f"time >= {_microseconds(filter.since)}")
    if filter.until is not None:
        terms.append(f"time < {_microseconds(filter.until)}")
    return " and ".join(terms)
