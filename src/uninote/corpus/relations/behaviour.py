"""Behaviour as truth: the relations that are trained on and those that are measured on, apart in time.

A log is cut at a time: relations from before it train, relations from then on are measured. Pairs have no
time; there, the split of the notes keeps both apart. Relations are always between notes of one split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from uninote.corpus.relations.coengagement import co_engagement
from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Log, as_time, read_relations
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError
from uninote.items import Note
from uninote.settings import RelationSettings

BESIDE = ("relations.csv", "relations.parquet")
"""Names of a file of relations next to the notes."""


class Measured(NamedTuple):
    """Relations to measure on; pairs of `seen` were related before: neither right nor wrong."""

    relations: Relations
    seen: Relations


@dataclass(frozen=True)
class Behaviour:
    """Pairs, or a log with the time that cuts it.

    Attributes:
        since: earliest time of the events that are measured on; None for pairs.
    """

    content: Relations | Log
    settings: RelationSettings
    since: float | None = None
    _known: dict[tuple[frozenset[str], bool], Relations] = field(
        default_factory=dict, repr=False, compare=False
    )

    @cached_property
    def key(self) -> str:
        """Hash of the content and of what turns it into relations."""
        content = self.content.key if isinstance(self.content, Relations) else self.content
        settings = self.settings.model_copy(update={"file": ""})  # wherever it lies
        return hashlib.sha256(repr((content, settings, self.since)).encode()).hexdigest()[:16]

    def training(self, notes: Iterable[Note]) -> Relations:
        """Return the relations between these notes that may be trained on: those of a log before the cut."""
        if isinstance(self.content, Relations):
            return self.content.within({note.id for note in notes})
        return self._co_engaged(notes, before=True)

    def measured(self, notes: Iterable[Note]) -> Measured:
        """Return the relations between these notes that are measured on: those of a log from the cut on."""
        notes = list(notes)
        if isinstance(self.content, Relations):
            return Measured(self.training(notes), Relations())
        found = self._co_engaged(notes, before=False)
        seen = self.training(notes) if self.settings.only_new else Relations()
        return Measured(found.without(seen), seen)

    @property
    def _log(self) -> Log:
        return () if isinstance(self.content, Relations) else self.content

    def _co_engaged(self, notes: Iterable[Note], before: bool) -> Relations:
        ids, since = frozenset(note.id for note in notes), self.since
        assert since is not None
        if (ids, before) not in self._known:
            events = [e for e in self._log if (e.time < since) is before and e.item in ids]
            found = co_engagement(events, self.settings.method, self.settings.neighbours)
            self._known[ids, before] = found
        return self._known[ids, before]


def relations_file(source: Path, settings: RelationSettings) -> Path | None:
    """Return the file of the settings, or the one next to the notes of `source`, a file or folder."""
    if settings.file:
        return Path(settings.file)
    folder = source if source.is_dir() else source.parent
    found = [folder / name for name in BESIDE if (folder / name).is_file()]
    if len(found) > 1:
        raise ConfigError(f"{folder} holds {' and '.join(BESIDE)}: remove one, or name it by relations.file")
    return found[0] if found else None


def read_behaviour(
    file: Path, notes: Iterable[Note], settings: RelationSettings, report: SkipReport
) -> Behaviour:
    """Read relations of these notes and find the time that cuts a log.

    Raises NoteError as `read_relations` does, ConfigError when a log has no events on one side of the cut.
    """
    content = read_relations(file, {note.id for note in notes}, report)
    if isinstance(content, Relations):
        return Behaviour(content, settings)
    return Behaviour(content, settings, cut(content, settings))


def cut(log: Log, settings: RelationSettings) -> float:
    """Return the earliest time of the events that are measured on; events of equal time stay together.

    Raises ConfigError when none is left before or after it.
    """
    times = sorted(event.time for event in log)
    if not times:
        raise ConfigError(
            "the log of relations has no event of these notes: remove the file, or name another one by "
            "relations.file"
        )
    if settings.since:
        since = as_time(settings.since)
        if since is None:
            raise ConfigError(f"relations.since {settings.since!r} is neither ISO 8601 nor a number")
    else:
        since = times[min(len(times) - 1, round(len(times) * (1 - settings.measured)))]
    if not times[0] < since <= times[-1]:
        side = "after" if since > times[-1] else "before"
        first, cut_at, last = map(shown_time, (times[0], since, times[-1]))
        raise ConfigError(
            f"the log has no events {side} its cut at {cut_at} (events from {first} to {last}): "
            "set relations.since to a time between them, or remove the file"
        )
    return since


def shown_time(time: float) -> str:
    """Format a time: a date where it can be seconds since 1970, else the number."""
    if 1e8 < time < 1e10:
        return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")
    return f"{time:g}"
