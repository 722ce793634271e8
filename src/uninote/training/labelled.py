"""Labelled training data in memory: queries with one or several positives, instead of notes in files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import NamedTuple

from uninote.errors import ItemError
from uninote.items import Item, Picture
from uninote.negatives import Example, ReferenceEncoder, ReferenceIndex, mine_from_index, pair_items, usable
from uninote.settings import NegativeSettings
from uninote.tasks.definitions import Pair, Task

Content = Item | Picture | str


class Labelled(NamedTuple):
    """Query with its positives and, where known, its negatives.

    With `SftSettings.positives_per_query` above 1 the positives of one query share its probability.
    """

    query: Content
    positives: Sequence[Content]
    negatives: Sequence[Content] = ()


def as_item(content: Content) -> Item:
    """Return a text or a picture as an item of one part. Raises ItemError when it is blank."""
    return content if isinstance(content, Item) else Item.of(content)


def pairs_from(rows: Iterable[Labelled], task: Task = Task.T2NOTE) -> list[Pair]:
    """Make one pair per positive, row by row.

    Args:
        task: task whose instruction the queries get, for backbones that use instructions.

    Raises ItemError for a blank query or positive, or a row without positives.
    """
    pairs = []
    for number, row in enumerate(rows):
        if not row.positives:
            raise ItemError(f"row {number} has no positive: leave it out, or name what it should find")
        query = as_item(row.query)
        pairs += [Pair(task, query, as_item(content), f"row-{number}", None) for content in row.positives]
    return pairs


def examples_from(
    rows: Sequence[Labelled],
    reference: ReferenceEncoder,
    settings: NegativeSettings | None = None,
    *,
    task: Task = Task.T2NOTE,
    seed: int = 0,
) -> tuple[list[Example], ReferenceIndex]:
    """Return the input of `train_sft`: examples, own negatives before mined ones, and their scores.

    Args:
        reference: φ of the soft labels, computed now: training the same encoder later does not change them.
        settings: options of mining; `per_query=0` mines none.

    Raises ItemError as `pairs_from` does.
    """
    pairs = pairs_from(rows, task)
    own = [tuple(map(as_item, row.negatives)) for row in rows for _ in row.positives]
    index = ReferenceIndex(chain(pair_items(pairs), *own), reference)
    mined = mine_from_index(pairs, index, settings or NegativeSettings(), seed)
    of_usable = [negatives for pair, negatives in zip(pairs, own, strict=True) if usable(pair, index)]
    examples = []
    for example, negatives in zip(mined, of_usable, strict=True):
        scores = index.scores([example.pair.query], negatives)[0].tolist() if negatives else []
        examples.append(
            replace(
                example,
                negatives=(*negatives, *example.negatives),
                scores=(*scores, *example.scores),
            )
        )
    return examples, index
