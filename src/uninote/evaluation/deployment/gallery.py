"""Gallery of reference notes: categories from their filing, and samples of three kinds.

A category is a note's `category` (a book, a section) or a tag in it (a chapter). A sample is a picture, the
texts, or the whole of a reference note.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uninote.corpus.order import seeded_rank
from uninote.errors import ItemError
from uninote.evaluation.protocols import Ids
from uninote.items import Item, Note


@dataclass(frozen=True)
class Sample:
    """Reference item of one of `KINDS`; `note` is the id of the note that it is taken from."""

    kind: str
    note: str
    item: Item


@dataclass(frozen=True)
class Gallery:
    """Samples, each once, and by category the int64 positions of its own in `samples`."""

    samples: tuple[Sample, ...]
    rows: Mapping[str, Ids]

    def only(self, names: Iterable[str]) -> Gallery:
        """Return these categories, where they exist, and the samples that they use."""
        rows = {name: self.rows[name] for name in names if name in self.rows}
        return self._kept(sorted({int(n) for of in rows.values() for n in of}), rows)

    def of_kind(self, kind: str, minimum: int) -> Gallery:
        """Return the samples of one kind, or all, and the categories with at least `minimum` of them."""
        kept = self._kept(self.places(kind), self.rows)
        return Gallery(kept.samples, {name: of for name, of in kept.rows.items() if len(of) >= minimum})

    def places(self, kind: str) -> list[int]:
        """Return the positions of the samples of one kind, or of all."""
        return [n for n, sample in enumerate(self.samples) if kind in (ALL, sample.kind)]

    def _kept(self, places: Sequence[int], rows: Mapping[str, Ids]) -> Gallery:
        new = {old: place for place, old in enumerate(places)}
        return Gallery(
            tuple(self.samples[n] for n in places),
            {name: np.array([new[n] for n in of if n in new], np.int64) for name, of in rows.items()},
        )


def _picture(note: Note, seed: int) -> Item:
    return Item.of(*sorted(note.pictures, key=lambda picture: seeded_rank(picture.digest, seed))[:1])


KINDS: dict[str, Callable[[Note, int], Item]] = {
    "picture": _picture,
    "text": lambda note, seed: Item.of(note.title, note.body),
    "note": lambda note, seed: note.item(),
}
"""Functions from a note and a seed to its sample of that kind. ItemError: it has none."""
ALL = "all"
"""Samples of all kinds together, as a category of a service has them."""


def filed(notes: Iterable[Note]) -> dict[str, frozenset[str]]:
    """Return the ids of the notes of each category, by name; a tag's name is `category / tag`.

    Of names with the same notes only the first is kept, in the order of length.
    """
    found: dict[str, set[str]] = defaultdict(set)
    for note in notes:
        if note.category.strip():
            found[note.category].add(note.id)
        for tag in filter(str.strip, note.tags):
            found[" / ".join(filter(None, (note.category, tag)))].add(note.id)
    distinct: dict[frozenset[str], str] = {}
    for name in sorted(found, key=lambda name: (len(name), name)):
        distinct.setdefault(frozenset(found[name]), name)
    return {name: members for members, name in distinct.items()}


def with_enough(
    members: Mapping[str, frozenset[str]], *groups: Iterable[Note], minimum: int
) -> dict[str, frozenset[str]]:
    """Return the categories that have at least `minimum` notes in each of the groups of notes."""
    ids = [{note.id for note in group} for group in groups]
    return {
        name: of for name, of in sorted(members.items()) if all(len(of & each) >= minimum for each in ids)
    }


def build_gallery(
    reference: Sequence[Note], members: Mapping[str, frozenset[str]], limit: int, seed: int
) -> Gallery:
    """Draw at most `limit` samples of each kind for each category, each from another reference note.

    Notes come in a shuffled order of the seed, so that a smaller limit draws the first of a larger one.
    """
    shuffled = sorted(reference, key=lambda note: seeded_rank(note.id, seed))
    places: dict[tuple[str, str], int] = {}
    samples: list[Sample] = []
    rows = {}
    for name, of in members.items():
        own: list[int] = []
        for kind, cut in KINDS.items():
            left = limit
            for note in shuffled:
                if not left:
                    break
                if note.id not in of:
                    continue
                if (kind, note.id) not in places:
                    try:
                        samples.append(Sample(kind, note.id, cut(note, seed)))
                    except ItemError:  # the note has no picture, or no text
                        continue
                    places[kind, note.id] = len(samples) - 1
                own.append(places[kind, note.id])
                left -= 1
        rows[name] = np.array(own, dtype=np.int64)
    return Gallery(tuple(samples), rows)
