"""Notes that a service stores before its first request."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.service.api.conftest import StartStub
from tests.service.api.running import Running
from tests.service.api.test_notes import code, ok


def stored(running: Running) -> dict[str, Any]:
    line = next(line for line in running.logs() if line["event"] == "notes stored")
    return {name: line[name] for name in line.keys() & {"created", "updated", "unchanged", "rejected"}}


def write(file: Path, *titles: str) -> None:
    lines = [json.dumps({"id": f"n{number}", "title": title}) for number, title in enumerate(titles)]
    file.write_text("\n".join(lines))


def test_what_is_stored_is_left_alone_and_what_was_forgotten_stays_away(
    stub: StartStub, tmp_path: Path
) -> None:
    notes = tmp_path / "served" / "notes.jsonl"
    notes.parent.mkdir()
    write(notes, "one", "two", "three")
    running = stub(max_batch=2)
    assert stored(running) == {"created": 3, "unchanged": 0}
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
