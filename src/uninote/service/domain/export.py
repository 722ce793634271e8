"""Verdicts as training data: pairs, and examples whose negatives a person has looked at.

A true positive makes a pair of the sample and the note. The notes that the same sample hit wrongly are the
hard negatives of its pairs. The labels are those of the verdict, 1 and 0, not the model's cosines: those are
what the verdict is there to correct.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from uninote.items import Item
from uninote.negatives.example import Example
from uninote.negatives.files import write_examples, write_pairs
from uninote.service.db.corpus import StoredNote
from uninote.service.db.moderation import Review, Sample
from uninote.service.domain import content
from uninote.tasks.definitions import Pair, Task

PAIRS, EXAMPLES = "pairs.jsonl", "examples.jsonl"
MAX_NEGATIVES = 16
TASKS = {"image": Task.I2NOTE, "video": Task.I2NOTE, "text": Task.T2NOTE, "note": Task.NOTE2NOTE}


@dataclass(frozen=True)
class ExportReport:
    """How many lines were written, and verdicts left out: false positives of a sample that hit nothing
    rightly have no positive to stand beside."""

    pairs: int
    examples: int
    left_out: int


def export_verdicts(session: Session, folder: Path, category: str | None = None) -> ExportReport:
    """Write `pairs.jsonl` for `uninote mine` and `examples.jsonl` for `uninote train sft` into `folder`.

    Of several verdicts on a match the newest counts; those on content that was replaced since are left out.
    """
    newest = (
        select(Review.note_id, Review.sample_id, Review.verdict, Sample.kind, Sample.source_note)
        .distinct(Review.note_id, Review.sample_id)
        .join(StoredNote, StoredNote.id == Review.note_id)
        .join(Sample, Sample.id == Review.sample_id)
        .where(Review.content_key == StoredNote.content_key)
        .order_by(Review.note_id, Review.sample_id, Review.id.desc())
    )
    rows = session.execute(newest if category is None else newest.where(Review.category == category)).all()
    right: defaultdict[int, list[str]] = defaultdict(list)
    wrong: defaultdict[int, list[str]] = defaultdict(list)
    kinds: dict[int, str] = {}
    for note_id, sample_id, verdict, kind, source_note in rows:
        kinds[sample_id] = kind
        if verdict == "true_positive":
            right[sample_id].append(note_id)
        elif verdict == "false_positive":
            wrong[sample_id].append(note_id)
            if source_note and source_note not in right[sample_id]:
                right[sample_id].append(source_note)  # the note a sample was taken from is what it looks for
    needed = {note_id for found in (right, wrong) for ids in found.values() for note_id in ids}
    notes = content.load_notes(session, needed)
    samples = content.load_items(session, kinds)
    items = {note_id: note.item() for note_id, note in notes.items()}
    pairs = list(_pairs(right, kinds, samples, items))
    examples = [
        Example(pair, negatives, (0.0,) * len(negatives), 1.0)
        for sample_id, pair in pairs
        if (negatives := tuple(items[note_id] for note_id in wrong[sample_id][:MAX_NEGATIVES]))
    ]
    write_pairs((pair for _, pair in pairs), folder / PAIRS)
    write_examples(examples, folder / EXAMPLES)
    paired = {sample_id for sample_id, _ in pairs}
    left_out = sum(max(0, len(ids) - MAX_NEGATIVES) if s in paired else len(ids) for s, ids in wrong.items())
    return ExportReport(len(pairs), len(examples), left_out)


def _pairs(
    right: dict[int, list[str]], kinds: dict[int, str], samples: dict[int, Item], items: dict[str, Item]
) -> Iterator[tuple[int, Pair]]:
    for sample_id, note_ids in sorted(right.items()):
        for note_id in sorted(note_ids):
            if note_id in items and items[note_id].key != samples[sample_id].key:
                task = TASKS[kinds[sample_id]]
                yield sample_id, Pair(task, samples[sample_id], items[note_id], note_id, None)
