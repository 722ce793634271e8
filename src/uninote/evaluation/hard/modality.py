"""Modality ablation: measures an encoder's use of pictures by removing or swapping one modality of the query.

Text tends to dominate pictures in a vector of both. Two measures show how much: the results of the same
queries with pictures alone and with texts alone, and the change of the right target's score when either
modality is swapped.
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
    """Return the item with its texts (OCR included) or its pixels only. Raises ItemError if none is left."""
    if kept == "both":
        return item
    return Item.of(*(part for part in item.parts if isinstance(part, Picture) is (kept == "pictures")))


def ablated(task: TaskSuite) -> dict[Kept, TaskSuite]:
    """Return the task with whole queries, with their texts only and with their pictures only.

    Queries without both modalities are left out, so that all three tasks have the same queries and targets.
    The result is empty when no query has both.
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
    """Compute the share of pictures in the change of scores when one modality is swapped, in [0, 1].

    A query's pictures are replaced by those of another query and, separately, its texts:

        Δ_pictures(q) = |cos(q, t) − cos(q with other pictures, t)|,   Δ_texts(q) likewise
        share = Σ Δ_pictures / Σ (Δ_pictures + Δ_texts)

    over queries of both modalities, t the query's best graded target. 0: pictures have no effect; 0.5: as
    much as texts; 1: only pictures have an effect. Only pixels are swapped as pictures; OCR lines count as
    text.

    Returns `share`, `interval` (95 %, queries resampled), `n_queries`; None with fewer than two such queries.
    """
    mixed = [query for query in task.queries if query.item.texts and query.item.pictures]
    if len(mixed) < 2:
        return None
    order = np.random.default_rng(seed).permutation(len(mixed))
    strangers = [mixed[order[(place + 1) % len(order)]].item for place in np.argsort(order)]
    originals = [query.item for query in mixed]
    seen = [swapped(item, other, "pictures") for item, other in zip(originals, strangers, strict=True)]
    read = [swapped(item, other, "texts") for item, other in zip(originals, strangers, strict=True)]
    targets = [task.targets[task.index[max(q.relevant, key=lambda k: (q.relevant[k], k))]] for q in mixed]
    vectors.add(targets)
    vectors.add([*originals, *seen, *read], task.instruction)
    right = vectors.of(targets)
    moves = np.stack(
        [
            np.abs(_cosines(vectors, originals, task, right) - _cosines(vectors, items, task, right))
            for items in (seen, read)
        ],
        axis=1,
    )
    share = _share(moves)
    result: Json = {"share": share, "n_queries": len(mixed)}
    if bootstrap:
        result["interval"] = _interval(moves, bootstrap, seed)
    return result


def swapped(item: Item, other: Item, modality: Literal["pictures", "texts"]) -> Item:
    """Replace all parts of the modality in `item` by those of `other`, which come last."""
    pictures = modality == "pictures"
    kept = [part for part in item.parts if isinstance(part, Picture) is not pictures]
    return Item.of(*kept, *(part for part in other.parts if isinstance(part, Picture) is pictures))


def _cosines(vectors: ItemVectors, items: Sequence[Item], task: TaskSuite, right: Floats) -> Floats:
    return np.asarray((vectors.of(items, task.instruction) * right).sum(axis=1), dtype=np.float32)


def _share(moves: Floats) -> float:
    """Compute the share from float32 `[q, 2]`, changes by pictures and by texts; 0 for no change."""
    total = float(moves.sum())
    return float(moves[:, 0].sum()) / total if total > 0 else 0.0


def _interval(moves: Floats, resamples: int, seed: int) -> list[float]:
    generator = np.random.default_rng(seed)
    shares = [_share(moves[generator.integers(0, len(moves), len(moves))]) for _ in range(resamples)]
    return [float(bound) for bound in np.quantile(shares, [0.025, 0.975])]
