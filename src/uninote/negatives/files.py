"""JSON Lines files of pairs and examples; each distinct text, picture and item is written once.

A line is one of

* a part: `{"part": n, "text": …}`, `{"part": n, "digest": …, "description": …, "path": …}` (of a frame of a
  video also `frame` and `moment`), or, for the text of part m that was read in a picture,
  `{"part": n, "ocr": m, "of": digest}`;
* an item: `{"item": n, "parts": […]}`;
* a record, which refers to items by number.

Definitions come before their use, so a file is read in one pass. Paths of pictures are relative to the folder
of the file; pictures without a file are written inside it (`data`, base64). Their descriptions are written,
which tell what texts they answer; their OCR lines are not. The items read have the same keys.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from uninote.corpus.base64 import decode_base64
from uninote.errors import ItemError
from uninote.files import write_atomic
from uninote.items import Item, Moment, Ocr, Part, Picture
from uninote.negatives.example import Example
from uninote.problems import problem_of
from uninote.tasks.definitions import Pair, Task

Record = dict[str, Any]


def write_examples(examples: Iterable[Example], path: str | Path) -> None:
    """Write mined examples; the file appears whole or not at all."""
    _write(((example.pair, example) for example in examples), Path(path))


def write_pairs(pairs: Iterable[Pair], path: str | Path) -> None:
    """Write pairs without negatives; the file appears whole or not at all."""
    _write(((pair, None) for pair in pairs), Path(path))


def read_examples(path: str | Path) -> list[Example]:
    """Read the examples of a file that `write_examples` wrote.

    Raises ItemError with file and line when the file is unreadable or damaged, or a pair has no negatives.
    """
    examples: list[Example] = []
    for number, _, example in _read(Path(path)):
        if example is None:
            raise ItemError(f"{path}:{number}: a pair without negatives; mine them first")
        examples.append(example)
    return examples


def read_pairs(path: str | Path) -> list[Pair]:
    """Read the pairs of a file of pairs or of examples. Raises ItemError when it is unreadable or damaged."""
    return [pair for _, pair, _ in _read(Path(path))]


def _write(records: Iterable[tuple[Pair, Example | None]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_atomic(path) as partial, partial.open("w", encoding="utf-8") as file:
        table = _Table(path.parent)
        for pair, example in records:
            record: Record = {
                "task": pair.task.value,
                "query": table.item(pair.query),
                "positive": table.item(pair.positive),
                "note_id": pair.note_id,
                "picture": pair.picture,
            }
            if pair.counterfactual is not None:
                record["counterfactual"] = table.item(pair.counterfactual)
            if pair.neutral:
                record["neutral"] = sorted(pair.neutral)
            if example is not None:
                record["negatives"] = [table.item(item) for item in example.negatives]
                record["scores"] = list(example.scores)
                record["positive_score"] = example.positive_score
            for line in (*table.take(), record):
                file.write(json.dumps(line) + "\n")


class _Table:
    """Numbering of parts and items, by first use."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: dict[tuple[Any, ...], int] = {}
        self._items: dict[str, int] = {}
        self._new: list[Record] = []

    def item(self, item: Item) -> int:
        number = self._items.get(item.key)
        if number is None:
            parts = [self._part(part) for part in item.parts]
            number = self._items[item.key] = len(self._items)
            self._new.append({"item": number, "parts": parts})
        return number

    def take(self) -> list[Record]:
        """Return the definitions added since the last call."""
        new, self._new = self._new, []
        return new

    def _part(self, part: Part) -> int:
        content: Record
        if isinstance(part, Picture):
            content = {"digest": part.digest}
            if part.description:
                content["description"] = part.description
            if part.frame:
                content["frame"] = True
            if part.moment is not None:
                content["moment"] = part.moment
        elif isinstance(part, Ocr):
            content = {"ocr": self._part(str(part)), "of": part.of}
        else:
            content = {"text": part}
        known = (*content, *content.values())
        number = self._parts.get(known)
        if number is None:
            number = self._parts[known] = len(self._parts)
            source = self._source(part) if isinstance(part, Picture) else {}
            self._new.append({"part": number, **content, **source})
        return number

    def _source(self, picture: Picture) -> Record:
        if picture.path is not None:
            return {"path": Path(os.path.relpath(picture.path, self._folder)).as_posix()}
        return {} if picture.data is None else {"data": base64.b64encode(picture.data).decode("ascii")}


def _read(path: Path) -> Iterator[tuple[int, Pair, Example | None]]:
    """Yield the line number, the pair, and its example if it was mined, of each record."""
    parts: list[Part] = []
    items: list[Item] = []
    try:
        file = path.open("rb")
    except OSError as error:
        raise ItemError(f"{path} cannot be read: {problem_of(error)}") from error
    with file:
        for number, line in enumerate(file, start=1):
            try:
                record: Record = json.loads(line.decode())
                if "part" in record:
                    parts.append(_part_of(record, path.parent, parts))
                elif "item" in record:
                    items.append(Item.of(*(parts[place] for place in record["parts"])))
                else:
                    pair = _pair_of(record, items)
                    yield number, pair, _example_of(record, pair, items)
            except (ValueError, LookupError, TypeError, RecursionError) as error:
                raise ItemError(
                    f"{path}:{number} is no line of a pairs or examples file: {problem_of(error)}; "
                    "write the file again with `uninote pairs` or `uninote mine`"
                ) from error


def _example_of(record: Record, pair: Pair, items: list[Item]) -> Example | None:
    if "negatives" not in record:
        return None
    negatives = tuple(items[place] for place in record["negatives"])
    return Example(pair, negatives, tuple(map(float, record["scores"])), float(record["positive_score"]))


def _part_of(record: Record, folder: Path, parts: list[Part]) -> Part:
    if "text" in record:
        return str(record["text"])
    if "ocr" in record:
        return Ocr(str(parts[record["ocr"]]), str(record["of"]))
    return Picture(
        str(record["digest"]),
        folder / record["path"] if "path" in record else None,
        decode_base64(record["data"]) if "data" in record else None,
        str(record.get("description", "")),
        frame=bool(record.get("frame")),
        moment=Moment(*record["moment"]) if "moment" in record else None,
    )


def _pair_of(record: Record, items: list[Item]) -> Pair:
    counterfactual = items[record["counterfactual"]] if "counterfactual" in record else None
    return Pair(
        Task(record["task"]),
        items[record["query"]],
        items[record["positive"]],
        record["note_id"],
        record["picture"],
        counterfactual,
        frozenset(map(str, record.get("neutral", ()))),
    )
