"""Journal of finished pages, one JSON line each, from which a killed fetch resumes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uninote.corpus.skips import Skip


@dataclass(frozen=True)
class Done:
    """A page's result: the note, or None, and its skips."""

    id: str
    note: dict[str, Any] | None
    skips: tuple[Skip, ...]


class Journal:
    """Append-only file `path` of the results of one repository, commit and version of the converters.

    Attributes:
        done: results by id. A line that a kill cut short is dropped, as is one whose pictures are missing.
    """

    def __init__(self, path: Path, out: Path) -> None:
        self._path = path
        self.done: dict[str, Done] = {}
        whole = 0
        data = path.read_bytes() if path.exists() else b""
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            record = json.loads(line)
            note = record["note"]
            if note is None or all((out / image["path"]).is_file() for image in note["images"]):
                skips = tuple(Skip(**skip) for skip in record["skips"])
                self.done[record["id"]] = Done(record["id"], note, skips)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")
        self._file.truncate(whole)

    def add(self, id_: str, note: dict[str, Any] | None, skips: Iterable[Skip]) -> Done:
        done = Done(id_, note, tuple(skips))
        record = {"id": id_, "note": note, "skips": [asdict(skip) for skip in done.skips]}
        self._file.write(json.dumps(record).encode() + b"\n")  # ASCII: no line end hides inside
        self._file.flush()
        self.done[id_] = done
        return done

    def close(self) -> None:
        self._file.close()
