"""Export of verdicts as training data: pairs, and examples with reviewed hard negatives.

A true positive makes a pair of the sample and the note. The false positives of the same sample are the hard
negatives of its pairs. The labels are 1 and 0, by the verdict. They are not the model's cosines, which the
verdicts correct.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import Session

from uninote.items import Item
from uninote.negatives.example import Example
from uninote.negatives.files import write_examples, write_pairs
from uninote.service.db.gallery_tables import Review, Sample
from uninote.service.db.note_tables import StoredNote
from uninote.service.domain.base import payload
from uninote.tasks.definitions import Pair, Task

PAIRS, EXAMPLES = "pairs.jsonl", "examples.jsonl"
MAX_NEGATIVES = 16
TASKS = {"image": Task.I2NOTE, "video": Task.I2NOTE, "text": Task.T2NOTE, "note": Task.NOTE2NOTE}


@dataclass(frozen=True)
class ExportReport:
    """Numbers of lines written, and of false positives left out.

    A false positive is left out when its sample has no true positive, or more than `MAX_NEGATIVES` others.
    """

    pairs: int
    examples: int
    left_out: int


@dataclass
class _Verdicts:
    """Verdicts on the hits of one sample: ids of the true and of the false positives."""

    kind: str
    right: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def export_verdicts(session: Session, folder: Path, category: str | None = None) -> ExportReport:
    """Write `pairs.jsonl` for `uninote mine` and `examples.jsonl` for `uninote train sft` into `folder`.

    The newest verdict on a match counts. Verdicts on content that was replaced since are left out.
    """
    verdicts = _newest(session, category)
    pairs = examples = 0
    paired: set[int] = set()

    def counted_pairs() -> Iterator[Pair]:
        nonlocal pairs
        for sample_id, pair, _ in _examples(session, verdicts):
            paired.add(sample_id)
            pairs += 1
            yield pair

    def counted_examples() -> Iterator[Example]:
        nonlocal examples
        for _, pair, negatives in _examples(session, verdicts):
            if negatives:
                examples += 1
                yield Example(pair, negatives, (0.0,) * len(negatives), 1.0)

    write_pairs(counted_pairs(), folder / PAIRS)
    write_examples(counted_examples(), folder / EXAMPLES)
    left_out = sum(
        max(0, len(found.wrong) - MAX_NEGATIVES) if sample_id in paired else len(found.wrong)
        for sample_id, found in verdicts.items()
    )
    return ExportReport(pairs, examples, left_out)


def _newest(session: Session, category: str | None) -> dict[int, _Verdicts]:
    newest = (
        select(Review.note_id, Review.sample_id, Review.verdict, Sample.kind, Sample.source_note)
        .ext(distinct_on(Review.note_id, Review.sample_id))
        .join(StoredNote, StoredNote.id == Review.note_id)
        .join(Sample, Sample.id == Review.sample_id)
        .where(Review.content_key == StoredNote.content_key)
        .order_by(Review.note_id, Review.sample_id, Review.id.desc())
    )
    verdicts: dict[int, _Verdicts] = {}
    for note_id, sample_id, verdict, kind, source_note in session.execute(
        newest if category is None else newest.where(Review.category == category)
    ):
        found = verdicts.setdefault(sample_id, _Verdicts(kind))
        if verdict == "true_positive" and note_id not in found.right:
            found.right.append(note_id)
        elif verdict == "false_positive":
            found.wrong.append(note_id)
            if source_note and source_note not in found.right:
                found.right.append(source_note)  # the note that a sample is made from matches it
    return verdicts


def _examples(
    session: Session, verdicts: dict[int, _Verdicts]
) -> Iterator[tuple[int, Pair, tuple[Item, ...]]]:
    """Yield (sample id, pair, hard negatives), sample by sample: all pictures may not fit into memory."""
    for sample_id, found in sorted(verdicts.items()):
        if not found.right:
            continue
        wrong = sorted(found.wrong)[:MAX_NEGATIVES]
        sample = payload.load_items(session, [sample_id])[sample_id]
        notes = payload.load_notes(session, found.right + wrong)
        negatives = [notes[note_id].item() for note_id in wrong]
        for note_id in sorted(notes.keys() & set(found.right)):
            positive = notes[note_id].item()
            if positive.key != sample.key:
                others = tuple(item for item in negatives if item.key != positive.key)
                yield sample_id, Pair(TASKS[found.kind], sample, positive, note_id, None), others
