"""Process of one stream consumer: `python stream_process.py DATABASE PORT`. A note titled `bomb` ends it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence

import redis

from uninote.errors import ItemError
from uninote.items import Note
from uninote.service.background.stream_consumer import StreamConsumer, StreamOptions
from uninote.service.db.engine import Database
from uninote.service.domain.gallery.matcher import Matcher
from uninote.service.domain.notes.ingest import ingest
from uninote.service.domain.notes.ingest_types import Incoming

OPTIONS = StreamOptions("notes", batch=4, block_seconds=0.05, idle_seconds=30, deliveries=2)


def parse(data: bytes) -> tuple[str, Incoming]:
    try:
        given = json.loads(data)
        note = Note(given["id"], title=given["title"])
    except (ValueError, KeyError) as error:
        raise ItemError(f"the note is not JSON with an id and a title: {type(error).__name__}") from None
    if note.title == "bomb":
        os._exit(9)
    return note.id, Incoming(note, {"m1": given["vector"]})


def consumer(
    database: Database, client: redis.Redis, options: StreamOptions = OPTIONS
) -> StreamConsumer[Incoming]:
    matcher = Matcher()

    def store(batch: Sequence[Incoming]) -> list[str | None]:
        outcomes = ingest(database, matcher, batch, "stream")
        return [one.reason if one.status == "rejected" else None for one in outcomes]

    return StreamConsumer(client, options, parse, store)


if __name__ == "__main__":
    with Database(sys.argv[1], connections=2) as opened:
        consumer(opened, redis.Redis(port=int(sys.argv[2]))).run()
