"""How much an encoder looks at pictures: one modality taken away from the query, or swapped.

Text tends to drown pictures in a vector of both. Two measures: what the same queries still find with their
pictures alone and with their texts alone, and whose swap moves the score of the right target more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from uninote.evaluation.protocols import Floats, Json
from uninote.evaluation.suite import Query, TaskSuite, merged
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Item, Picture

Kept = Literal["both", "texts", "pictures"]
KEPT: tuple[Kept, ...] = ("both", "texts", "pictures")


def only(item: Item, kept: Kept) -> Item:
    """The item with its texts (OCR among them) or its pictures (pixels) only. Raises ItemError if none."""
    if kept == "both":
        return item
    return Item.of(*(part for part in item.parts if isinstance(part, Picture) is (kept == "pictures")))


def ablated(task: TaskSuite) -> dict[Kept, TaskSuite]:
    """The task with whole queries, and with one modality of them, over the same queries and targets.

    Queries that do not hold both are left out of all three, so that the three can be compared; empty when
    none holds both.
    """
    mixed = [query for query in task.queries if query.item.texts and query.item.pictures]
    if not mixed:
        return {}

    def cut(query: Query, kept: Kept) -> Query:
        return Query(only(query.item, kept), query.note_id, query.relevant, query.excluded)

    return {
        kept: TaskSuite(
            f"{task.name}: {kept}",
            task.instruction,
            merged(cut(query, kept) for query in mixed),
            task.targets,
            task.graded,
        )
        for kept in KEPT
    }


def picture_share(vectors: ItemVectors, task: TaskSuite, bootstrap: int, seed: int) -> Json | None:
    """Share of the score's movement that pictures are responsible for, in [0, 1].

    A query's pictures are exchanged for those of another query, and, apart from that, its texts:

        share = Σ |cos(q, t) − cos(q with other pictures, t)| / Σ (the same + |… with other texts|)

    over queries of both modalities, t the query's best graded target. 0: pictures are not looked at; 0.5:
    as much as texts; 1: nothing but pictures counts. Pixels only are swapped, OCR lines are text.

    Returns `share`, `interval` (95 %, queries resampled), `n_queries`; None with fewer than two such queries.
    """
    mixed = [query for query in task.queries if query.item.texts and query.item.pictures]
    if len(mixed) < 2:
        return None
    order = np.random.default_rng(seed).permutation(len(mixed))
    strangers = [mixed[order[(place + 1) % len(order)]].item for place in np.argsort(order)]
    originals = [query.item for query in mixed]
    seen = [swapped(item, other, "pictures") for item, other in zip(originals, strangers, strict=True)]
    told = [swapped(item, other, "texts") for item, other in zip(originals, strangers, strict=True)]
    targets = [task.targets[task.index[max(q.relevant, key=lambda k: (q.relevant[k], k))]] for q in mixed]
    vectors.add(targets)
    vectors.add([*originals, *seen, *told], task.instruction)
    right = vectors.of(targets)
    moves = np.stack(
        [
            np.abs(_cosines(vectors, originals, task, right) - _cosines(vectors, items, task, right))
            for items in (seen, told)
        ],
        axis=1,
    )
    share = _share(moves)
    result: Json = {"share": share, "n_queries": len(mixed)}
    if bootstrap:
        result["interval"] = _interval(moves, bootstrap, seed)
    return result


def swapped(item: Item, other: Item, modality: Literal["pictures", "texts"]) -> Item:
    """`item` with all parts of the modality replaced by those of `other`, which come at their end."""
    pictures = modality == "pictures"
    kept = [part for part in item.parts if isinstance(part, Picture) is not pictures]
    return Item.of(*kept, *(part for part in other.parts if isinstance(part, Picture) is pictures))


def _cosines(vectors: ItemVectors, items: Sequence[Item], task: TaskSuite, right: Floats) -> Floats:
    return np.asarray((vectors.of(items, task.instruction) * right).sum(axis=1), dtype=np.float32)


def _share(moves: Floats) -> float:
    """Of float32 `[q, 2]`, movements by pictures and by texts; 0 when nothing moves at all."""
    total = float(moves.sum())
    return float(moves[:, 0].sum()) / total if total > 0 else 0.0


def _interval(moves: Floats, resamples: int, seed: int) -> list[float]:
    generator = np.random.default_rng(seed)
    shares = [_share(moves[generator.integers(0, len(moves), len(moves))]) for _ in range(resamples)]
    return [float(bound) for bound in np.quantile(shares, [0.025, 0.975])]
