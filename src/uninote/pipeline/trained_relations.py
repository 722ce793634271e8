"""Record of the relations that a model was trained on, and the check that refuses to measure them.

`relations.json` in the model's folder holds the latest time of the events, and hashes of the trained pairs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from uninote.corpus.relations.behaviour import Behaviour, shown_time
from uninote.errors import ConfigError
from uninote.files import write_atomic
from uninote.items import Item
from uninote.negatives import Example
from uninote.tasks.definitions import Task
from uninote.tasks.halves import Halves
from uninote.tasks.related import RELATIONS

if TYPE_CHECKING:
    from uninote.evaluation.suite import Suite

RECORD = "relations.json"
ItemPairs = Iterable[tuple[Item, Item]]


def pairs_of_examples(examples: Sequence[Example]) -> ItemPairs:
    """Return the pairs of related notes among examples of stage 1."""
    pairs = (example.pair for example in examples)
    return ((pair.query, pair.positive) for pair in pairs if pair.task is Task.NOTE2NOTE)


def pairs_of_rankings(rankings: Sequence[Halves]) -> ItemPairs:
    """Return the pairs of related notes among rankings of stage 2."""
    return ((half.query, item) for half in rankings if half.neutral for item in half.relevant)


def record(folder: Path, trained: ItemPairs, until: float | None = None, before: Sequence[Path] = ()) -> None:
    """Write the pairs that a model was trained on into its folder; without any, there is no file.

    Args:
        until: latest time of the events that made them, None if there is none.
        before: folders of models that this one was made from; their records are included.
    """
    pairs = {pair_key(item.key, other.key) for item, other in trained}
    times = {until}
    for known in filter(None, map(_read, before)):
        pairs |= set(known["pairs"])
        times.add(known["until"])
    (folder / RECORD).unlink(missing_ok=True)
    if pairs:
        content = {"until": max(times - {None}, default=None), "pairs": sorted(pairs)}  # type: ignore[type-var]
        with write_atomic(folder / RECORD) as partial:
            partial.write_text(json.dumps(content) + "\n", "utf-8")


def refuse_seen(model: Path, behaviour: Behaviour, suite: Suite) -> None:
    """Check that a model was not trained on what the relations task of a suite measures.

    Raises ConfigError when it was trained on events from the measured time on, or on a relevant pair.
    """
    known = _read(model)
    tasks = [task for task in suite.extra if task.name == RELATIONS]
    if known is None or not tasks:
        return
    until, since = known["until"], behaviour.since
    if until is not None and since is not None and until >= since:
        raise ConfigError(
            f"{model.name} was trained on relations up to {shown_time(until)}, and relations are measured "
            f"from {shown_time(since)} on: set relations.since to a later time"
        )
    trained = set(known["pairs"])
    seen = sum(
        pair_key(query.item.key, key) in trained
        for task in tasks
        for query in task.queries
        for key in query.relevant
    )
    if seen:
        raise ConfigError(
            f"{model.name} was trained on {seen} of the relations to be measured: measure on the test split "
            "of its seed, without --whole, or on newer events only (relations.since, relations.only_new)"
        )


def pair_key(key: str, other: str) -> str:
    """Return 16 hex digits of the keys of two items, equal in both orders."""
    return hashlib.sha256(" ".join(sorted((key, other))).encode()).hexdigest()[:16]


def _read(model: Path) -> dict[str, Any] | None:
    file = model / RECORD
    return json.loads(file.read_text("utf-8")) if file.is_file() else None
