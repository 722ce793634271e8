"""Graph of related notes: undirected, with a weight per pair."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple


class Relation(NamedTuple):
    """Two notes by their ids, and the weight of their relation: above 0, the higher the nearer."""

    item: str
    other: str
    weight: float


class Relations:
    """Relations of notes, each pair once; the weight holds in both directions.

    Args:
        weights: weight by pair of ids, the smaller id first.
        until: latest time of the events that made them, None if they have no time.
    """

    def __init__(
        self, weights: Mapping[tuple[str, str], float] | None = None, until: float | None = None
    ) -> None:
        self.until = until
        self._weights = dict(sorted((weights or {}).items()))
        found: dict[str, list[tuple[str, float]]] = defaultdict(list)
        for (item, other), weight in self._weights.items():
            found[item].append((other, weight))
            found[other].append((item, weight))
        self._of = {item: tuple(sorted(found[item], key=lambda one: (-one[1], one[0]))) for item in found}

    @classmethod
    def summed(cls, rows: Iterable[Relation]) -> Relations:
        """Build relations; the weights of rows of one pair, in either order, are added."""
        weights: dict[tuple[str, str], float] = defaultdict(float)
        for item, other, weight in rows:
            weights[min(item, other), max(item, other)] += weight
        return cls(weights)

    def __len__(self) -> int:
        return len(self._weights)

    def __iter__(self) -> Iterator[Relation]:
        return (Relation(*pair, weight) for pair, weight in self._weights.items())

    def of(self, item: str) -> tuple[tuple[str, float], ...]:
        """Return the ids related to `item` with their weights, best first; equal weights by id."""
        return self._of.get(item, ())

    def related(self, item: str, other: str) -> bool:
        return (min(item, other), max(item, other)) in self._weights

    def within(self, items: Collection[str]) -> Relations:
        """Return the relations whose notes are both among `items`."""
        kept = set(items)
        return Relations({pair: weight for pair, weight in self._weights.items() if kept.issuperset(pair)})

    def without(self, others: Relations) -> Relations:
        """Return the relations whose pairs are not among `others`."""
        return Relations(
            {pair: weight for pair, weight in self._weights.items() if pair not in others._weights}
        )

    @property
    def key(self) -> str:
        """16 hex digits, equal for equal relations."""
        return hashlib.sha256(repr(self._weights).encode()).hexdigest()[:16]
