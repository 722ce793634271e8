"""Annotation cache, keyed by annotator and picture digest, so that no picture is annotated twice.

It is one SQLite file in write-ahead mode. A batch is stored in one transaction, and committed batches survive
a kill of the process. Values are JSON (a text, or a list of lines).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType

from uninote.errors import ConfigError, reason_of

Annotation = str | list[str]
_SCHEMA = """
CREATE TABLE IF NOT EXISTS annotation (
    annotator TEXT NOT NULL, digest TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (annotator, digest)
) WITHOUT ROWID
"""
_VARIABLES = 500


class AnnotationCache:
    """Context manager over `folder`/annotations.sqlite3, which is made when missing.

    Raises ConfigError when the folder cannot be written or the file is not such a cache.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / "annotations.sqlite3"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=60)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=NORMAL")
            with self._connection:
                self._connection.execute(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigError(
                f"annotation cache {path} cannot be used: {reason_of(error)}; delete it or name another "
                "folder"
            ) from error

    def get(self, annotator: str, digests: Iterable[str]) -> dict[str, Annotation]:
        """Return the cached annotations by `annotator` for `digests`; digests without one are left out."""
        wanted = list(digests)
        found: dict[str, Annotation] = {}
        for start in range(0, len(wanted), _VARIABLES):
            part = wanted[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            rows = self._connection.execute(
                f"SELECT digest, value FROM annotation WHERE annotator = ? AND digest IN ({marks})",
                (annotator, *part),
            )
            found.update((digest, json.loads(value)) for digest, value in rows)
        return found

    def put(self, annotator: str, values: Mapping[str, Annotation]) -> None:
        """Store `values` (by digest) in one transaction; they replace older ones."""
        rows = [(annotator, digest, json.dumps(value)) for digest, value in values.items()]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO annotation VALUES (?, ?, ?)", rows)

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> AnnotationCache:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
