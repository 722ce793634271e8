"""Dataset folder of a suite, in the layout of MTEB's retrieval tasks: Parquet files and a dataset card.

Each task has the configurations `<task>-corpus`, `<task>-queries` and `<task>-qrels`. MTEB gives a model one
text and one picture an item: `text` has the texts of the item, one a line, and `image` its picture, or a
contact sheet of its pictures (`sheet.py`). `parts.COLUMN` has the item in full, whose pictures are in the
configuration `parts.PICTURES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from uninote.errors import ConfigError
from uninote.extras import needs
from uninote.files import write_atomic
from uninote.items import Item, Picture
from uninote.mteb.card import dataset_card
from uninote.mteb.parts import COLUMN, PICTURES, to_json
from uninote.mteb.sheet import one_picture
from uninote.tasks.definitions import Task

if TYPE_CHECKING:
    from uninote.evaluation.suite import Suite, TaskSuite

Load = Callable[[Picture], Image.Image]
Row = Mapping[str, Any]

CARD = "README.md"
INDEX = "tasks.json"
"""File with what `tasks.tasks` makes MTEB tasks from."""
_BATCH = 100


def write_dataset(suite: Suite, out: Path, load: Load, name: str = "notes") -> Path:
    """Write the tasks of `suite` into the folder `out`; return `out`.

    Args:
        load: decodes a picture, for the contact sheets.
        name: the notes' name, for the card.

    Raises ConfigError when `out` holds files of others, and PictureError when a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    # A killed call leaves `.partial` files (`write_atomic`).
    found = {path.name.removesuffix(".partial") for path in out.iterdir()}
    others = found - {INDEX, CARD, f"{PICTURES}.parquet", *Task}
    if others:
        raise ConfigError(f"{out} holds other files, such as {min(others)}: choose another --out")
    (out / INDEX).unlink(missing_ok=True)  # written last: a folder without it is incomplete
    pictures = {picture.digest: picture for item in _items(suite) for picture in item.pictures}
    _write(out / f"{PICTURES}.parquet", ("id", "image"), map(_picture, pictures.values()))
    index = {
        "suite": suite.fingerprint,
        "languages": sorted({note.lang for note in suite.notes}),
        "tasks": {task.name: _write_task(task, out / task.name, load) for task in suite.tasks},
    }
    (out / CARD).write_text(dataset_card(index, name, len(suite.notes), len(pictures)), "utf-8")
    with write_atomic(out / INDEX) as partial:
        partial.write_text(json.dumps(index, ensure_ascii=False, indent=1) + "\n", "utf-8")
    return out


def _items(suite: Suite) -> Iterator[Item]:
    for task in suite.tasks:
        yield from task.targets
        yield from (query.item for query in task.queries)


def _picture(picture: Picture) -> Row:
    return {"id": picture.digest, "image": _image(picture.read())}


def _image(encoded: bytes) -> Row:
    return {"bytes": encoded, "path": None}


def _write_task(task: TaskSuite, folder: Path, load: Load) -> dict[str, Any]:
    """Write the three files of a task; return its entry of the index."""
    folder.mkdir(exist_ok=True)
    queries = [query.item for query in task.queries]
    sides = _columns(queries), _columns(task.targets)
    notes = ({"note": query.note_id} for query in task.queries)
    rows = (row | note for row, note in zip(_rows(queries, sides[0], load), notes, strict=True))
    _write(folder / "queries.parquet", ("id", *sides[0], COLUMN, "note"), rows)
    _write(folder / "corpus.parquet", ("id", *sides[1], COLUMN), _rows(task.targets, sides[1], load))
    qrels = (
        {"query-id": query.item.key, "corpus-id": key, "score": grade}
        for query in task.queries
        for key, grade in query.relevant.items()
    )
    _write(folder / "qrels.parquet", ("query-id", "corpus-id", "score"), qrels)
    return {
        "category": "2".join("".join(column[0] for column in reversed(side)) for side in sides),
        "instruction": task.instruction.spec.instruction,
        "main_score": "precision_at_1" if task.graded else "recall_at_1",
        "queries": len(queries),
        "targets": len(task.targets),
    }


def _columns(items: Iterable[Item]) -> tuple[str, ...]:
    """Return which of text and image the items of one side have."""
    items = list(items)
    has = {"text": any(item.texts for item in items), "image": any(item.pictures for item in items)}
    return tuple(column for column, present in has.items() if present)


def _rows(items: Sequence[Item], columns: Sequence[str], load: Load) -> Iterator[dict[str, Any]]:
    for item in items:
        row: dict[str, Any] = {"id": item.key, COLUMN: to_json(item)}
        if "text" in columns:
            row["text"] = "\n".join(item.texts)
        if "image" in columns:
            row["image"] = _image(one_picture(item.pictures, load))
        yield row


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a Parquet file whose schema says which column is a picture, as `datasets` reads it."""
    with needs("data"):
        import pyarrow as pa
        import pyarrow.parquet as pq
        from datasets import Features, Value
        from datasets import Image as ImageFeature

    types = {"image": ImageFeature(), "score": Value("int32")}
    schema = Features({name: types.get(name, Value("string")) for name in columns}).arrow_schema
    with write_atomic(path) as partial, pq.ParquetWriter(partial, schema) as writer:
        remaining = iter(rows)
        while batch := list(islice(remaining, _BATCH)):
            writer.write_table(pa.Table.from_pylist(batch, schema=schema))
