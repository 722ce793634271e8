"""Examples for the report: results of a few queries, with the reasons for each result."""

from __future__ import annotations

from collections import Counter

import numpy as np

from uninote.evaluation.protocols import Floats, Json
from uninote.evaluation.search import mask_excluded, top_of_scores
from uninote.evaluation.suite import Suite, TaskSuite
from uninote.evaluation.variants import VARIANTS
from uninote.evaluation.vectors import ItemVectors
from uninote.evaluation.words import words
from uninote.items import Item, Picture

SHOWN = 5
"""Results kept per example."""


def draw_examples(vectors: ItemVectors, suite: Suite, samples: int, seed: int) -> dict[str, list[Json]]:
    """Return, by task name, `samples` random queries with their best results; variants have none.

    The draw does not depend on the results, so that hits and misses appear in their true proportion. An
    example holds `query` (item key), `note`, `relevant` (count), `best_rank` (1-based rank of the best placed
    relevant target), `best_relevant` (its key), and `top`: key, score, grade and `why` of each result.
    """
    everyday = everyday_words(suite)
    examples = {}
    for task in suite.all_tasks:
        if task.name in VARIANTS:
            continue
        count = min(samples, len(task.queries))
        rows = np.random.default_rng(seed).choice(len(task.queries), count, replace=False)
        examples[task.name] = [_example(vectors, task, int(row), everyday) for row in sorted(rows)]
    return examples


def _example(vectors: ItemVectors, task: TaskSuite, row: int, everyday: frozenset[str]) -> Json:
    query = task.queries[row]
    vector = vectors.of([query.item], task.instruction)
    scores = vector @ vectors.of(task.targets).T
    mask_excluded(task, scores, row)
    top_scores, top = top_of_scores(scores, min(SHOWN, len(task.targets)))
    relevant = [task.index[key] for key in query.relevant]
    best = max(relevant, key=lambda position: float(scores[0, position]))
    targets = [task.targets[position] for position in top[0] if position >= 0]
    return {
        "query": query.item.key,
        "note": query.note_id,
        "relevant": len(relevant),
        "best_rank": 1 + int((scores[0] > scores[0, best]).sum()),
        "best_relevant": task.targets[best].key,
        "top": [
            {
                "key": target.key,
                "score": float(score),
                "grade": query.relevant.get(target.key, 0),
                "why": why(query.item, target, everyday) | nearest_part(vectors, vector[0], target),
            }
            for target, score in zip(targets, top_scores[0], strict=False)
        ],
    }


def everyday_words(suite: Suite) -> frozenset[str]:
    """Return the words of at least three notes and more than one note in twenty, which explain nothing."""
    spread = Counter(word for note in suite.notes for word in _words(note.item()))
    return frozenset(word for word, count in spread.items() if count > max(2, len(suite.notes) / 20))


def why(query: Item, target: Item, everyday: frozenset[str] = frozenset()) -> Json:
    """Return the visible content that both sides share: pictures, OCR lines of a picture, the longest words.

    The OCR lines of a picture item count although it is embedded as pixels only: a reader sees that text.
    """
    ours, theirs = _lines(query), _lines(target)
    common = (_words(query) & _words(target)) - everyday
    read = {line for picture in query.pictures for line in picture.ocr or ()} & set(theirs)
    read |= {line for picture in target.pictures for line in picture.ocr or ()} & set(ours)
    digests = {picture.digest for picture in query.pictures}
    return {
        "pictures": sum(picture.digest in digests for picture in target.pictures),
        "ocr": sorted(read, key=lambda line: (-len(line), line))[:2],
        "words": sorted(common, key=lambda word: (-len(word), word))[:4],
    }


def nearest_part(vectors: ItemVectors, query: Floats, target: Item) -> Json:
    """Return the name and cosine of that part of a composite target which alone is nearest to the query."""
    if len(target.parts) < 2:
        return {}
    parts = [Item((part,)) for part in target.parts]
    vectors.add(parts)
    scores = vectors.of(parts) @ query
    best = int(scores.argmax())
    part = target.parts[best]
    if isinstance(part, Picture):
        name = f"picture {1 + sum(isinstance(p, Picture) for p in target.parts[:best])}"
    else:
        name = f"“{' '.join(part.split())[:60]}”"
    return {"nearest": {"part": name, "score": float(scores[best])}}


def _words(item: Item) -> set[str]:
    return {word for line in _lines(item) for word in words(line) if not word.isdigit()}


def _lines(item: Item) -> list[str]:
    texts = [part if isinstance(part, str) else part.ocr_text for part in item.parts]
    return [line for text in texts for line in text.splitlines() if line.strip()]
