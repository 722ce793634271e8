"""Simulated log with planted groups: each user prefers the notes of one group, popular ones above all."""

from __future__ import annotations

import numpy as np

from uninote.corpus.relations.reader import Event

PER_GROUP = 8


def planted_log(seed: int, groups: int = 5, users: int = 80, clicks: int = 20) -> list[Event]:
    """Draw clicks: 85 % go to the user's own group, note `n{i}` is of group i // `PER_GROUP`."""
    rng = np.random.default_rng(seed)
    notes = np.arange(groups * PER_GROUP)
    popularity = rng.zipf(1.6, len(notes)).clip(1, 30).astype(float)
    events = []
    for user in range(users):
        liked = notes // PER_GROUP == rng.integers(groups)
        for _ in range(clicks):
            weights = popularity * liked if rng.random() < 0.85 else popularity
            note = rng.choice(notes, p=weights / weights.sum())
            events.append(Event(f"u{user}", f"n{note}", float(rng.integers(1_000_000))))
    return events


def group(note: str) -> int:
    return int(note.removeprefix("n")) // PER_GROUP
