"""Near duplicates: an edited picture must find its original, among all pictures and among all notes."""

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
    """Two tasks for every edit, named `<edit>: picture` and `<edit>: note`.

    Queries are `most` distinct pictures at most, drawn by the seed, each put through every edit; an edit that
    leaves the pixels as they are gives that query back unchanged in content but in another encoding. Targets
    are all distinct pictures, or all notes whole with their pixels. The last edit, `MOVED`, hands a drawn
    picture, compressed anew, to the end of another note: that note is the query and is excluded, and the
    picture's first home is sought. A picture that cannot be decoded is no query.
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
    """(host and picture, homes, picture); hosts are drawn among the notes without the picture."""
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
    """One task against all pictures, one against all notes; what else the query holds is excluded."""
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
