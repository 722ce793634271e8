"""Skip report: one `Skip`, with its reason, for each note, picture or video that could not be used."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Skip:
    """A note, picture or video that was left out.

    Attributes:
        note_id: the note's id, empty when it could not be read.
        reason: `kind: detail`, e.g. "bad picture: images/a.jpg is truncated".
        where: file, line and field, e.g. "notes.jsonl:12 images[3]".
    """

    note_id: str
    reason: str
    where: str = ""

    @property
    def kind(self) -> str:
        """The reason up to its first colon."""
        return self.reason.partition(":")[0]


class SkipReport:
    """The skips of one run, in the order they were found."""

    def __init__(self) -> None:
        self._skips: list[Skip] = []

    def add(self, note_id: str, reason: str, where: str = "") -> None:
        self._skips.append(Skip(note_id, reason, where))

    def extend(self, skips: Iterable[Skip]) -> None:
        self._skips.extend(skips)

    def __len__(self) -> int:
        return len(self._skips)

    def __iter__(self) -> Iterator[Skip]:
        return iter(self._skips)

    def counts(self) -> dict[str, int]:
        """Count the skips of each kind, most frequent first."""
        return dict(Counter(skip.kind for skip in self._skips).most_common())

    def write(self, path: str | Path) -> None:
        """Write one JSON object per line: note_id, reason, where."""
        lines = (json.dumps(asdict(skip), ensure_ascii=False) + "\n" for skip in self._skips)
        Path(path).write_text("".join(lines), encoding="utf-8", errors="replace")
