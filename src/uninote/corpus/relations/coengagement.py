"""Item-based collaborative filtering: notes are related when the same users engage with them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.sparse import csr_matrix

from uninote.corpus.relations.graph import Relations
from uninote.corpus.relations.reader import Event
from uninote.extras import needs

if TYPE_CHECKING:
    from implicit.nearest_neighbours import ItemItemRecommender

Method = Literal["bm25", "tfidf", "cosine"]


def co_engagement(events: Sequence[Event], method: Method = "bm25", neighbours: int = 20) -> Relations:
    """Return each note's most similar notes by its users, with the library's similarity as weight.

    The similarities of `implicit` are symmetric. A pair is kept when either note is among the nearest
    `neighbours` of the other, so a note may have more. Several events of a user and a note add up.

    Raises MissingExtraError without the extra `behaviour`.
    """
    users = {user: row for row, user in enumerate(sorted({event.user for event in events}))}
    items = sorted({event.item for event in events})
    if len(items) < 2:
        return Relations()
    column = {item: place for place, item in enumerate(items)}
    places = ([users[event.user] for event in events], [column[event.item] for event in events])
    counts = csr_matrix((np.ones(len(events)), places), shape=(len(users), len(items)))
    model = _recommender(method, min(neighbours + 1, len(items)))  # a note is its own nearest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library converts its own matrices and says so
        model.fit(counts, show_progress=False)
    found = model.similarity.tocoo()
    weights: dict[tuple[str, str], float] = {}
    for one, other, weight in zip(found.row, found.col, found.data.tolist(), strict=True):
        if one != other and weight > 0:
            pair = (items[min(one, other)], items[max(one, other)])
            weights[pair] = max(weight, weights.get(pair, 0.0))
    return Relations(weights, max(event.time for event in events))


def _recommender(method: Method, neighbours: int) -> ItemItemRecommender:
    with needs("behaviour"):
        from implicit import nearest_neighbours as library

    kinds = {
        "bm25": library.BM25Recommender,
        "tfidf": library.TFIDFRecommender,
        "cosine": library.CosineRecommender,
    }
    return kinds[method](K=neighbours)
