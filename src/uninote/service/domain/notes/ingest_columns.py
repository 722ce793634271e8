"""Parameters of the SQL of an ingest: lists by column, which the statements unnest into rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from uninote.service.domain.base import payload
from uninote.service.domain.base.vectors import as_parameter
from uninote.service.domain.notes.ingest_types import Checked


def note_columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    """Return the columns of `service.notes`, one row per note."""
    notes = [one.incoming.note for one in checked]
    return {
        "ids": [note.id for note in notes],
        "keys": [one.content_key for one in checked],
        "payloads": [json.dumps(payload.note_payload(note)) for note in notes],
        "kinds": [one.incoming.kind for one in checked],
        "categories": [note.category for note in notes],
        "langs": [note.lang for note in notes],
        "times": [one.incoming.time for one in checked],
    }


def vector_columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    """Return the columns of `service.vectors`, one row per note and model version."""
    rows = [(one, model, vector) for one in checked for model, vector in sorted(one.vectors.items())]
    return {
        "notes": [one.incoming.note.id for one, _, _ in rows],
        "models": [model for _, model, _ in rows],
        "keys": [one.content_key for one, _, _ in rows],
        "vectors": [as_parameter(vector) for _, _, vector in rows],
        "kinds": [one.incoming.kind for one, _, _ in rows],
        "categories": [one.incoming.note.category for one, _, _ in rows],
        "times": [one.incoming.time for one, _, _ in rows],
    }


def match_columns(checked: Sequence[Checked]) -> dict[str, list[Any]]:
    """Return the columns of `service.matches`, one row per hit."""
    rows = [(one, hit) for one in checked for hit in one.found]
    return {
        "notes": [one.incoming.note.id for one, _ in rows],
        "samples": [hit.sample_id for _, hit in rows],
        "models": [one.model.id for one, _ in rows],
        "categories": [hit.category for _, hit in rows],
        "scores": [hit.score for _, hit in rows],
        "thresholds": [hit.threshold for _, hit in rows],
    }
