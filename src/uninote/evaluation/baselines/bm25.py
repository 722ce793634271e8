"""BM25 (Lucene variant, `bm25s`) over all text of an item, including the text read in its pictures.

For a picture without text, keyword search retrieves nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product

import bm25s
import numpy as np

from uninote.evaluation.baselines.readings import with_given
from uninote.evaluation.headline import first_metric
from uninote.evaluation.protocols import Floats, Ids, Json
from uninote.evaluation.scoring import per_query
from uninote.evaluation.search import mask_excluded, top_of_scores
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.evaluation.variants import changes_pool
from uninote.evaluation.words import words
from uninote.items import Item, Note

K1 = (0.6, 0.9, 1.2, 1.5, 2.0)
B = (0.3, 0.5, 0.75, 0.9)


class Bm25:
    """BM25 ranker. k1 and b have the defaults of the library; `tuned_bm25` chooses them."""

    def __init__(self, k1: float = 1.5, b: float = 0.75) -> None:
        self.k1, self.b = k1, b
        self._words: dict[str, list[str]] = {}

    def rank(self, task: TaskSuite, k: int) -> Ids:
        """Return int64 `[q, k]`; a target that shares no word with the query is not retrieved (-1)."""
        if self.blind_spot(task):
            return np.full((len(task.queries), k), -1, dtype=np.int64)
        index = self._index(task.targets)
        ranked = []
        for row, query in enumerate(task.queries):
            scores = self._scores(index, query.item, len(task.targets))
            mask_excluded(task, scores, row)
            ranked.append(top_of_scores(scores, k)[1])
        return np.concatenate(ranked)

    def scores(self, queries: Sequence[Item], targets: Sequence[Item]) -> Floats:
        """Compute float32 `[q, t]`, -inf where a target shares no word with the query."""
        index = self._index(targets)
        return np.concatenate([self._scores(index, query, len(targets)) for query in queries])

    def blind_spot(self, task: TaskSuite) -> str:
        if not any(with_given(query.item).texts for query in task.queries):
            return "queries are pictures without text: there is nothing to search with"
        if not any(with_given(target).texts for target in task.targets):
            return "targets are pictures without text: there is nothing to search in"
        return ""

    def cost(self, notes: Sequence[Note]) -> Json:
        """Count 8 bytes of inverted index (document number and weight) for each distinct word of a note."""
        postings = sum(len(set(item_words(note.item()))) for note in notes)
        return {"bytes_per_note": 8 * postings / max(len(notes), 1), "vectors_per_note": 0.0}

    def _words_of(self, item: Item) -> list[str]:
        """Return the words of an item, which is split once for all tasks."""
        if item.key not in self._words:
            self._words[item.key] = item_words(item)
        return self._words[item.key]

    def _index(self, targets: Sequence[Item]) -> bm25s.BM25:
        logging.getLogger("bm25s").setLevel(logging.WARNING)  # importing the library sets DEBUG
        index = bm25s.BM25(k1=self.k1, b=self.b)
        index.index([self._words_of(target) for target in targets], show_progress=False)
        return index

    def _scores(self, index: bm25s.BM25, query: Item, targets: int) -> Floats:
        """Return float32 `[1, targets]`, -inf where no word is shared."""
        ids = index.get_tokens_ids(self._words_of(query))
        scores = index.get_scores_from_ids(ids) if len(ids) else np.zeros(targets, np.float32)
        return np.where(scores > 0, scores, -np.inf).astype(np.float32)[None, :]


def item_words(item: Item) -> list[str]:
    """Return the words of all texts, those read in pictures included."""
    return [word for text in with_given(item).texts for word in words(text)]


def tuned_bm25(validation: Suite) -> Bm25:
    """Return BM25 with the k1 and b of the best mean first metric over the tasks of validation notes."""
    tasks = [task for task in validation.all_tasks if not changes_pool(task.name)]
    tasks = [task for task in tasks if not Bm25().blind_spot(task)]

    def quality(ranker: Bm25) -> float:
        values = [per_query(task, ranker.rank(task, 1), (1,)) for task in tasks]
        metrics = (first_metric(task.name) for task in tasks)
        return float(sum(value[metric].mean() for value, metric in zip(values, metrics, strict=True)))

    return max((Bm25(k1, b) for k1, b in product(K1, B)), key=quality)
