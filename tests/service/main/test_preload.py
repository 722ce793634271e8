"""Notes that a service stores before its first request."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running
from tests.service.http.test_notes import code, ok

from uninote.errors import ItemError
from uninote.items import Item, Note, Picture
from uninote.service.main.preload import without_bad_pictures
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import CONTENT_KEY, Record

COUNTS = {"created", "updated", "unchanged", "rejected", "reused"}


def stored(running: Running) -> dict[str, Any]:
    line = next(line for line in running.logs() if line["event"] == "notes stored")
    return {name: line[name] for name in line.keys() & COUNTS if line[name]}


def write(file: Path, *titles: str) -> None:
    lines = [json.dumps({"id": f"n{number}", "title": title}) for number, title in enumerate(titles)]
    file.write_text("\n".join(lines))


def test_what_is_stored_is_left_alone_and_what_was_forgotten_stays_away(
    stub: StartStub, tmp_path: Path
) -> None:
    notes = tmp_path / "served" / "first.jsonl"
    notes.parent.mkdir()
    write(notes, "one", "two", "three")
    running = stub(max_batch=2)
    assert stored(running) == {"created": 3}
    with running.client() as client:
        assert ok(client.get("/v1/notes/n2"))["title"] == "three"
        ok(client.delete("/v1/notes/n2"))
    admin = running.admin
    assert running.stop() == 0
    write(notes, "one", "changed", "three", "four")
    running.log_file.unlink()
    running = stub(max_batch=2)
    assert stored(running) == {"unchanged": 1, "updated": 1, "rejected": 1, "created": 1}
    assert running.admin == admin  # the first key is made once
    with running.client() as client:
        assert ok(client.get("/v1/notes/n1"))["title"] == "changed"
        assert code(client.get("/v1/notes/n2")) == (404, "not_found")


def test_notes_of_the_index_are_stored_once_with_the_vectors_it_holds(
    stub: StartStub, address: str, tmp_path: Path
) -> None:
    kept = tmp_path / "served" / "notes.jsonl"
    kept.parent.mkdir()
    write(kept, "one", "two", "three", "four")
    keys = {f"n{number}": Item.of(title).key for number, title in enumerate(("one", "two", "other", "four"))}
    vectors = np.eye(8)
    records = [
        Record(name, vectors[row], "note", model_version="stub", payload={CONTENT_KEY: key})
        for row, (name, key) in enumerate(keys.items())
    ]
    with closing(PostgresStore(address, 8)) as store:
        store.upsert(records[:3]).raise_rejected()
        store.upsert([replace(records[3], model_version="older")]).raise_rejected()
    running = stub()
    assert stored(running) == {"created": 4, "reused": 2}
    assert (running.folder / "passes").read_text().split() == ["2"]  # other content, and another version's
    with running.client() as client:
        ok(client.post("/v1/notes", json={"id": "n0", "title": "changed since"}))
        ok(client.delete("/v1/notes/n2"))
    with psycopg.connect(address) as connection:
        row = connection.execute("SELECT vector::text FROM service.vectors WHERE note_id = 'n1'").fetchone()
    assert row is not None
    assert json.loads(row[0]) == vectors[1].tolist()
    assert running.stop() == 0
    running.log_file.unlink()
    running = stub()
    assert not any(line["event"] == "notes stored" for line in running.logs())
    with running.client() as client:
        assert ok(client.get("/v1/notes/n0"))["title"] == "changed since"
        assert code(client.get("/v1/notes/n2")) == (404, "not_found")


def test_a_note_whose_picture_is_lost_is_stored_without_it() -> None:
    good, bad = Picture.from_bytes(b"good"), Picture.from_bytes(b"bad")

    async def embed(items: Sequence[Item]) -> list[np.ndarray[Any, Any] | ItemError]:
        return [ItemError("truncated") if item.pictures == (bad,) else np.ones(3) for item in items]

    notes = [
        Note("both", "", "", (good, bad)),
        Note("text", "a title", "", (bad, bad)),
        Note("nothing", "", "", (bad,)),
        Note("whole", "its vector has NaN", "", (good,)),
    ]
    found = asyncio.run(without_bad_pictures(embed, notes))
    assert [(note.id, note.pictures) for note in found] == [("both", (good,)), ("text", ())]
