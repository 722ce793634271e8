"""Train, validation and test by connected groups, so that nothing leaks from one side to another.

Two notes are connected when they share a picture (by digest), when one links to the other, or when their
non-empty text (title and body, spaces and case apart) is the same. A whole group goes to one side.
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
    """Three disjoint lists that together hold every note, each in the order given."""

    train: list[Note]
    validation: list[Note]
    test: list[Note]


def split_notes(notes: Sequence[Note], test_fraction: float, validation_fraction: float, seed: int) -> Splits:
    """Split by connected groups; fractions are of the note count and are met as closely as groups allow.

    Groups are shuffled by a hash of the seed and their smallest id, so a note's side does not depend on the
    order of the notes. The biggest group always trains.

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
    """Ids of groups that fit into `target` notes, taken in order, and the groups left over."""
    taken: set[str] = set()
    left: list[set[str]] = []
    for group in groups:
        if len(taken) + len(group) <= target:
            taken |= group
        else:
            left.append(group)
    smallest = min(left, key=len, default=set())
    if smallest and len(smallest) < 2 * (target - len(taken)):  # overshooting is nearer than stopping
        taken |= smallest
        left.remove(smallest)
    return taken, left
