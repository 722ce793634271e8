"""Relations of a run: read next to the notes, described in a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from uninote.corpus.relations.behaviour import Behaviour, read_behaviour, relations_file, shown_time
from uninote.corpus.skips import SkipReport
from uninote.corpus.splits import Splits
from uninote.items import Note
from uninote.settings import Settings


def load_behaviour(
    source: Path, notes: Sequence[Note], settings: Settings, report: SkipReport
) -> Behaviour | None:
    """Read the relations of the settings, or those next to the notes; None without any."""
    file = relations_file(source, settings.relations)
    return read_behaviour(file, notes, settings.relations, report) if file else None


def described(behaviour: Behaviour, splits: Splits) -> str:
    """Describe in one line what is trained on, measured on, and left out."""
    trained, measured = behaviour.training(splits.train), behaviour.measured(splits.test)
    text = f"relations: {len(trained)} pairs of training notes to train on, "
    text += f"{len(measured.relations)} pairs of test notes to measure on"
    if behaviour.since is None:
        everyone = [*splits.train, *splits.validation, *splits.test]
        inside = sum(len(behaviour.training(part)) for part in (splits.train, splits.validation, splits.test))
        return f"{text}; {len(behaviour.training(everyone)) - inside} pairs across the split left out"
    return f"{text}, from {shown_time(behaviour.since)} on; {len(measured.seen)} pairs known before left out"
