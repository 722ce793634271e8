"""Train, validation and test split by connected groups, which prevents leaks between them.

Two notes are connected when they share a picture (by digest), when one links to the other, or when their
non-empty text (title and body, except for spaces and case) is the same. A whole group is on one side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy.cluster.hierarchy import DisjointSet

from uninote.corpus.order import seeded_rank
from uninote.errors import ConfigError
from uninote.items import Note


@dataclass(frozen=True)
class Splits:
    """Three disjoint lists that together hold every note, each in the given order."""

    train: list[Note]
    validation: list[Note]
    test: list[Note]


def split_notes(notes: Sequence[Note], test_fraction: float, validation_fraction: float, seed: int) -> Splits:
    """Split notes by connected groups; fractions of the note count are met as closely as the groups allow.

    Groups are shuffled by a hash of the seed and their smallest id, so a note's side does not depend on the
    order of the notes. The largest group is always in the training set.

    Raises ConfigError when a fraction is negative or both together leave nothing to train on.
    """
    if min(test_fraction, validation_fraction) < 0 or test_fraction + validation_fraction >= 1:
        raise ConfigError(
            f"test_fraction {test_fraction} and validation_fraction {validation_fraction} must not be "
            "negative and must add up to less than 1"
        )
    groups = sorted(connected_groups(notes), key=lambda group: seeded_rank(min(group), seed))
    if groups:
        groups.remove(max(groups, key=len))
    test, groups = _fill(groups, round(test_fraction * len(notes)))
    validation, _ = _fill(groups, round(validation_fraction * len(notes)))
    held_out = test | validation
    return Splits(
        train=[note for note in notes if note.id not in held_out],
        validation=[note for note in notes if note.id in validation],
        test=[note for note in notes if note.id in test],
    )


def connected_groups(notes: Iterable[Note]) -> list[set[str]]:
    """Return sets of note ids connected by shared pictures, links in either direction, or equal text."""
    notes = list(notes)
    joined = DisjointSet(("note", note.id) for note in notes)
    ids = {note.id for note in notes}
    for note in notes:
        keys = [("picture", picture.digest) for picture in note.pictures]
        keys += [("note", link) for link in note.links if link in ids]
        text = " ".join(f"{note.title} {note.body}".split()).casefold()
        if text:
            keys.append(("text", text))
        for key in keys:
            joined.add(key)
            joined.merge(("note", note.id), key)
    return [{name for kind, name in group if kind == "note"} for group in joined.subsets()]


def _fill(groups: Sequence[set[str]], target: int) -> tuple[set[str], list[set[str]]]:
    """Take groups in order while they fit into `target` notes; return their ids and the remaining groups."""
    taken: set[str] = set()
    left: list[set[str]] = []
    for group in groups:
        if len(taken) + len(group) <= target:
            taken |= group
        else:
            left.append(group)
    smallest = min(left, key=len, default=set())
    if smallest and len(smallest) < 2 * (target - len(taken)):  # adding it comes closer to the target
        taken |= smallest
        left.remove(smallest)
    return taken, left
