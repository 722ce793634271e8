"""Tasks cut from held-out notes: pairs of one relevant target, and graded targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from uninote.evaluation.copies import EditedCopies
from uninote.evaluation.task_suite import WITH_TEXT, WITHOUT_TEXT, Query, TaskSuite, distinct, merged
from uninote.evaluation.variants import Variant
from uninote.items import Item, Note
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.pairs import make_pairs


def pair_task(
    notes: Sequence[Note],
    task: Task,
    seed: int,
    *,
    variant: Variant | None = None,
    copies: EditedCopies | None = None,
) -> TaskSuite:
    """Return a task of pairs: each query has one relevant target (method, section 1).

    For `Variant.TWINS` the counterfactuals stand in the pool, before the targets, so that a tie does not tell
    them apart. One that is a target itself is no twin; queries without a twin are left out.

    Args:
        variant: measures the task in another way, under the name of the variant.
        copies: stand for the pictures of an edited task.
    """
    per_note = 1 if task.spec.one_per_note else None
    pairs = make_pairs(notes, task, per_note=per_note, seed=seed, strict=variant is Variant.STRICT)
    if copies and task.spec.edited:
        sides = [(pair, copies.of(pair.query), copies.of(pair.positive)) for pair in pairs]
        pairs = [replace(pair, query=q, positive=p) for pair, q, p in sides if q and p]
    by_id = {note.id: note for note in notes}
    targets = distinct(pair.positive for pair in pairs)
    twins = _twins(pairs, targets) if variant is Variant.TWINS else {}
    queries = merged(
        Query(
            pair.query,
            pair.note_id,
            {pair.positive.key: 1},
            part=_part(pair, by_id[pair.note_id]),
            twins={pair.positive.key: twins[pair].key} if pair in twins else {},
        )
        for pair in pairs
    )
    if variant is Variant.TWINS:
        queries = tuple(query for query in queries if query.twins)
        targets = distinct([*twins.values(), *targets])
    name = variant.of(task) if variant else task.value
    by_note: dict[str, frozenset[str]] = {}
    for pair in pairs:
        by_note[pair.note_id] = by_note.get(pair.note_id, frozenset()) | {pair.positive.key}
    return TaskSuite(name, task, queries, targets, by_note=by_note)


def _twins(pairs: Sequence[Pair], targets: Sequence[Item]) -> dict[Pair, Item]:
    """Return the counterfactual of each pair, without those that are a target."""
    known = {target.key for target in targets}
    return {
        pair: pair.counterfactual
        for pair in pairs
        if pair.counterfactual is not None and pair.counterfactual.key not in known
    }


def _part(pair: Pair, note: Note) -> str:
    """Return the part of the queries of a pair whose note hides its picture: by text in that picture."""
    if pair.picture is None or not pair.task.spec.hides_picture:
        return ""
    picture = note.pictures[pair.picture]
    if picture.ocr is None:
        return ""
    return WITH_TEXT if picture.ocr_text.strip() else WITHOUT_TEXT


def graded_task(notes: Sequence[Note], task: Task, seed: int) -> TaskSuite:
    """Return a task whose queries have several targets, graded by their order, among all others' targets.

    Note2Note (method, section 3): half a note finds `L_rel`. Notes without a query (with one picture, or no
    text for each half) are whole targets in the pool, as noise.
    """
    queries: list[Query] = []
    targets: list[Item] = []
    by_note: dict[str, frozenset[str]] = {}
    for note in notes:
        cuts = task.spec.build(note, seed)
        if not cuts:
            targets.append(note.item())
            by_note[note.id] = frozenset({targets[-1].key})
        for cut in cuts:
            grades = range(len(cut.relevant), 0, -1)
            relevant: dict[str, int] = {}
            for item, grade in zip(cut.relevant, grades, strict=True):
                relevant.setdefault(item.key, grade)
            queries.append(Query(cut.query, note.id, relevant))
            by_note[note.id] = by_note.get(note.id, frozenset()) | relevant.keys()
            targets.extend(cut.relevant)
    return TaskSuite(task.value, task, merged(queries), distinct(targets), graded=True, by_note=by_note)
