"""Batch mining of hard negatives for the pairs of any task (method, section 1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uninote.items import Item
from uninote.negatives.band import Band, resolve_band
from uninote.negatives.example import Example
from uninote.negatives.index import ReferenceEncoder, ReferenceIndex
from uninote.negatives.maxsim import Floats, Ints, composite_maxsim
from uninote.negatives.pick import Origin, pick_negatives
from uninote.negatives.rule import rule_negative
from uninote.settings import NegativeSettings
from uninote.tasks.content import Answers, content_key
from uninote.tasks.definitions import Pair, Task

_BLOCK_VALUES = 2**24  # similarities held at once: 64 MiB
_SAMPLE = 512  # queries and candidates from whose scores the quantiles of the band are taken


@dataclass(frozen=True)
class TaskReport:
    """Statistics of mining one task: sizes, the band as similarities, and negatives by origin."""

    task: Task
    queries: int
    candidates: int
    band: Band
    from_band: int
    below_band: int
    random: int
    missing: int
    rule: int


def mine_examples(
    pairs: Sequence[Pair],
    reference: ReferenceEncoder,
    settings: NegativeSettings,
    seed: int,
    report: list[TaskReport] | None = None,
) -> list[Example]:
    """Mine hard negatives for every pair, in the order of `pairs`; each element is encoded once.

    * The candidates of a query are the positives of the other pairs of its task, distinct by `Item.key`.
      Positives of the same query, items from a note the query was cut from, and those that answer it by
      content (`tasks.content.Answers`) are excluded.
    * `pick_negatives` draws `settings.per_query` of them by their φ scores (cosine, or MaxSim for composite
      items).
    * With `settings.rule` the counterfactual negative comes first, in addition.
    * An example has fewer negatives only when there are no more candidates.
    * The same pairs and seed yield the same examples.

    Args:
        report: one TaskReport per task is appended to it.
    """
    index = ReferenceIndex(pair_items(pairs), reference, settings.composite == "whole")
    return mine_from_index(pairs, index, settings, seed, report)


def mine_from_index(
    pairs: Sequence[Pair],
    index: ReferenceIndex,
    settings: NegativeSettings,
    seed: int,
    report: list[TaskReport] | None = None,
) -> list[Example]:
    """Mine as `mine_examples`, on an index of `pair_items(pairs)`. Raises ItemError if an item is missing.

    A pair with an item that the reference encoder could not embed is left out.
    """
    pairs = [pair for pair in pairs if usable(pair, index)]
    by_task: dict[Task, list[int]] = defaultdict(list)
    for position, pair in enumerate(pairs):
        by_task[pair.task].append(position)
    examples: dict[int, Example] = {}
    for task, positions in by_task.items():
        rng = np.random.default_rng([seed % 2**32, list(Task).index(task)])
        mined, task_report = _mine_task([pairs[position] for position in positions], index, settings, rng)
        examples.update(zip(positions, mined, strict=True))
        if report is not None:
            report.append(task_report)
    return [examples[position] for position in range(len(pairs))]


def usable(pair: Pair, index: ReferenceIndex) -> bool:
    """Return whether the reference encoder could embed every item of the pair."""
    return index.bad.isdisjoint(item.key for item in pair_items([pair]))


def usable_examples(examples: Iterable[Example], index: ReferenceIndex) -> list[Example]:
    """Return the examples whose pair is `usable`, without the negatives that could not be embedded."""
    found = []
    for example in examples:
        if usable(example.pair, index):
            kept = [n for n, negative in enumerate(example.negatives) if negative.key not in index.bad]
            negatives = tuple(example.negatives[n] for n in kept)
            scores = tuple(example.scores[n] for n in kept)
            found.append(replace(example, negatives=negatives, scores=scores))
    return found


def pair_items(pairs: Sequence[Pair]) -> Iterator[Item]:
    """Yield every item whose reference score mining or training may need."""
    for pair in pairs:
        yield pair.query
        yield pair.positive
        if pair.counterfactual is not None:
            yield pair.counterfactual


def _mine_task(
    pairs: list[Pair], index: ReferenceIndex, settings: NegativeSettings, rng: np.random.Generator
) -> tuple[list[Example], TaskReport]:
    candidates = list({pair.positive.key: pair.positive for pair in pairs}.values())
    excluded = _excluded(pairs, candidates)
    band = resolve_band(_sampled_scores(pairs, candidates, excluded, index, rng), settings)
    positive_scores = index.paired_scores([pair.query for pair in pairs], [pair.positive for pair in pairs])
    rules = _rule_scores(pairs, index) if settings.rule else {}

    examples: list[Example] = []
    origins = np.zeros(len(Origin), dtype=np.int64)
    for start, scores in _score_blocks(pairs, candidates, excluded, index):
        picked = pick_negatives(scores, band, settings.per_query, settings.pool, rng)
        origins += np.bincount(picked.origins.ravel(), minlength=len(Origin))
        for row, numbers in enumerate(picked.candidates):
            position = start + row
            kept = numbers[numbers >= 0]
            negatives = [candidates[number] for number in kept]
            labels: list[float] = scores[row, kept].tolist()
            if position in rules:
                item, score = rules[position]
                negatives.insert(0, item)
                labels.insert(0, score)
            positive_score = float(positive_scores[position])
            examples.append(Example(pairs[position], tuple(negatives), tuple(labels), positive_score))
    report = TaskReport(
        pairs[0].task,
        len(pairs),
        len(candidates),
        band,
        from_band=int(origins[Origin.BAND]),
        below_band=int(origins[Origin.BELOW]),
        random=int(origins[Origin.RANDOM]),
        missing=int(origins[Origin.NONE]),
        rule=len(rules),
    )
    return examples, report


def _excluded(pairs: list[Pair], candidates: list[Item]) -> list[Ints]:
    """Return, for each pair, the numbers of the candidates that cannot be negatives of its query: int64.

    Excluded are all positives from every note that the same query was cut from, what answers it by content,
    what is neutral to it, and a candidate equal to the rule negative, which would occur twice.
    """
    numbers = {item.key: number for number, item in enumerate(candidates)}
    answers = Answers(candidates)
    of_note: dict[str, set[int]] = defaultdict(set)
    notes_of_query: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for pair in pairs:
        of_note[pair.note_id].add(numbers[pair.positive.key])
        notes_of_query[content_key(pair.query)].add(pair.note_id)
    of_query = {key: set().union(*(of_note[note] for note in notes)) for key, notes in notes_of_query.items()}
    excluded: list[Ints] = []
    for pair in pairs:
        keys = [*pair.neutral, *([pair.counterfactual.key] if pair.counterfactual else [])]
        own = {numbers[key] for key in keys if key in numbers} | answers.of(
            pair.query, [pair.positive], pair.task
        )
        excluded.append(np.array(sorted(of_query[content_key(pair.query)] | own), dtype=np.int64))
    return excluded


def _sampled_scores(
    pairs: list[Pair],
    candidates: list[Item],
    excluded: list[Ints],
    index: ReferenceIndex,
    rng: np.random.Generator,
) -> Floats:
    """Return float32 [n]: scores of sampled queries against sampled candidates, without excluded ones."""
    rows = np.sort(rng.permutation(len(pairs))[:_SAMPLE])
    columns = np.sort(rng.permutation(len(candidates))[:_SAMPLE])
    scores = index.scores([pairs[row].query for row in rows], [candidates[column] for column in columns])
    allowed = np.stack([~np.isin(columns, excluded[row]) for row in rows])
    return scores[allowed]


def _score_blocks(
    pairs: list[Pair], candidates: list[Item], excluded: list[Ints], index: ReferenceIndex
) -> Iterator[tuple[int, Floats]]:
    """Yield blocks of all pairs: the first pair's index, float32 [block, candidates] with -inf if excluded.

    All scores are computed exactly. For the pool sizes of mining, one matrix product and a partial sort take
    a fifth of the time of a flat faiss search, which spends it on selecting that many neighbours.
    """
    queries = index.elements([pair.query for pair in pairs])
    gallery = index.composites(index.elements(candidates))
    elements_per_query = len(queries.rows) / len(pairs)
    block = max(1, int(_BLOCK_VALUES / (elements_per_query * len(gallery.places))))
    for start in range(0, len(pairs), block):
        stop = min(start + block, len(pairs))
        scores = composite_maxsim(index.composites(queries.part(start, stop)), gallery)
        counts = [len(numbers) for numbers in excluded[start:stop]]
        scores[np.repeat(np.arange(stop - start), counts), np.concatenate(excluded[start:stop])] = -np.inf
        yield start, scores


def _rule_scores(pairs: list[Pair], index: ReferenceIndex) -> dict[int, tuple[Item, float]]:
    """Return the rule negative and its score by the index of each pair that has one."""
    rules = {place: item for place, pair in enumerate(pairs) if (item := rule_negative(pair)) is not None}
    scores = index.paired_scores([pairs[place].query for place in rules], list(rules.values()))
    return {place: (item, float(score)) for (place, item), score in zip(rules.items(), scores, strict=True)}
