"""Quality filter and topic balance of notes (method, section 1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from uninote.corpus.order import seeded_rank
from uninote.corpus.skips import SkipReport
from uninote.items import Note
from uninote.settings import CorpusSettings


def filter_notes(notes: Sequence[Note], settings: CorpusSettings, report: SkipReport) -> list[Note]:
    """Return the notes with enough likes (an unknown count passes), text and pictures; report the others."""
    kept = []
    for note in notes:
        reason = _fault(note, settings)
        if reason:
            report.add(note.id, reason)
        else:
            kept.append(note)
    return kept


def _fault(note: Note, settings: CorpusSettings) -> str:
    characters = len(note.title.strip()) + len(note.body.strip())
    if note.likes is not None and note.likes < settings.min_likes:
        return f"too few likes: {note.likes}, at least {settings.min_likes} are asked for"
    if characters < settings.min_text_chars:
        return f"too little text: {characters} characters, at least {settings.min_text_chars} are asked for"
    if len(note.pictures) < settings.min_pictures:
        return f"too few pictures: {len(note.pictures)}, at least {settings.min_pictures} are asked for"
    return ""


def balance_notes(notes: Sequence[Note], per_topic: int | None, seed: int) -> list[Note]:
    """Return at most `per_topic` notes of each category, spread evenly over its picture-count buckets.

    Buckets are 0, 1, 2-3, 4-7, 8-15, ... pictures. One note is taken from each in turn until the topic is
    full, so that small buckets are kept whole and large ones thinned. The choice within a bucket depends only
    on the seed and the ids; the given order is kept. None keeps everything.
    """
    if per_topic is None:
        return list(notes)
    buckets: dict[str, dict[int, list[Note]]] = defaultdict(lambda: defaultdict(list))
    for note in sorted(notes, key=lambda note: seeded_rank(note.id, seed)):
        buckets[note.category][len(note.pictures).bit_length()].append(note)
    chosen: set[str] = set()
    for topic in buckets.values():
        turns = [(turn, bucket, note.id) for bucket in topic for turn, note in enumerate(topic[bucket])]
        chosen.update(note_id for _, _, note_id in sorted(turns)[:per_topic])
    return [note for note in notes if note.id in chosen]
