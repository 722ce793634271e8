"""Near-duplicate tasks: an edited picture must find its original among all pictures and among all notes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from uninote.errors import PictureError
from uninote.evaluation.hard.transforms import TRANSFORMS, edited, jpeg
from uninote.evaluation.suite import Query, TaskSuite, distinct, merged
from uninote.items import Item, Note, Picture
from uninote.tasks.definitions import Task

log = logging.getLogger(__name__)

Load = Callable[[Picture], Image.Image]
PICTURES, NOTES = "picture", "note"
MOVED = "moved into another note"


def duplicate_tasks(notes: Sequence[Note], load: Load, most: int, seed: int) -> list[TaskSuite]:
    """Return two tasks for every edit, named `<edit>: picture` and `<edit>: note`.

    * Queries are at most `most` distinct pictures, drawn with the seed; every edit is applied to each. An
      edited picture is encoded again, even if its pixels did not change. A picture that cannot be decoded is
      left out.
    * Targets are all distinct pictures, or all whole notes with their pixels.
    * The last edit, `MOVED`, compresses the picture again and appends it to another note. That note is the
      query, its original is excluded, and the relevant targets are the notes that the picture came from.
    """
    homes: dict[str, list[Note]] = {}
    pictures: dict[str, Picture] = {}
    for note in notes:
        for picture in note.pictures:
            pictures.setdefault(picture.digest, picture)
            known = homes.setdefault(picture.digest, [])
            if note not in known:
                known.append(note)
    chosen = _drawn(pictures, most, seed, load)
    every = distinct(Item((picture,)) for picture in pictures.values())
    whole = distinct(note.item() for note in notes)
    tasks = []
    for name, transform in TRANSFORMS.items():
        queries = [
            (Item((edited(image, transform),)), homes[picture.digest], picture) for picture, image in chosen
        ]
        tasks += _two(name, queries, every, whole)
    return tasks + _two(MOVED, _moved(chosen, homes, notes, seed), every, whole, Task.NOTE2NOTE)


def _drawn(
    pictures: dict[str, Picture], most: int, seed: int, load: Load
) -> list[tuple[Picture, Image.Image]]:
    order = np.random.default_rng(seed).permutation(sorted(pictures))
    chosen: list[tuple[Picture, Image.Image]] = []
    for digest in order:
        if len(chosen) == most:
            break
        try:
            chosen.append((pictures[digest], load(pictures[digest])))
        except PictureError as error:
            log.warning("no query for near duplicates: %s", error)
    return chosen


def _moved(
    chosen: Sequence[tuple[Picture, Image.Image]],
    homes: dict[str, list[Note]],
    notes: Sequence[Note],
    seed: int,
) -> list[tuple[Item, list[Note], Picture]]:
    """Append each picture to a host note; return (item of both, homes of the picture, picture).

    Hosts are drawn among the notes without the picture.
    """
    generator = np.random.default_rng(seed)
    moved = []
    for picture, image in chosen:
        hosts = [note for note in notes if note not in homes[picture.digest]]
        if hosts:
            host = hosts[int(generator.integers(len(hosts)))]
            item = Item((*host.item().parts, edited(image, jpeg)))
            moved.append((item, homes[picture.digest], picture))
    return moved


def _two(
    name: str,
    queries: Sequence[tuple[Item, list[Note], Picture]],
    pictures: tuple[Item, ...],
    notes: tuple[Item, ...],
    instruction: Task | None = None,
) -> list[TaskSuite]:
    """Return a task against all pictures and one against all notes, other content of the query excluded."""
    to_pictures, to_notes = [], []
    for item, homes, picture in queries:
        digests = {part.digest for part in item.pictures}
        own = {target.key for target in pictures if target.pictures[0].digest in digests}
        to_pictures.append(
            Query(item, homes[0].id, {Item((picture,)).key: 1}, frozenset(own - {Item((picture,)).key}))
        )
        relevant = {home.item().key: 1 for home in homes}
        host = Item(item.parts[:-1]).key if len(item.parts) > 1 else ""
        to_notes.append(Query(item, homes[0].id, relevant, frozenset({host} - {""} - relevant.keys())))
    return [
        TaskSuite(f"{name}: {PICTURES}", instruction or Task.I2T, merged(to_pictures), pictures),
        TaskSuite(f"{name}: {NOTES}", instruction or Task.I2NOTE, merged(to_notes), notes),
    ]
