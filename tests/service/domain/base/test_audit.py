"""The audit log commits with what it describes, and is read page by page."""

from __future__ import annotations

import hashlib

import pytest
from sqlalchemy.orm import Session

from uninote.service.db.engine import Database
from uninote.service.domain.base import audit


def test_entries_are_paged_newest_first(database: Database) -> None:
    for number in range(5):
        database.transaction(
            lambda s, n=number: audit.record(s, "ana", f"act{n % 2}", f"thing:{n % 2}", number=n)
        )

    def numbers(**options: object) -> list[int]:
        rows = database.transaction(lambda s: audit.entries(s, **options))  # type: ignore[arg-type]
        return [row.details["number"] for row in rows]

    assert numbers() == [4, 3, 2, 1, 0]
    assert numbers(subject="thing:0") == [4, 2, 0]
    assert numbers(action="act1") == [3, 1]
    last = database.transaction(lambda s: audit.entries(s, limit=2))[-1].id
    assert numbers(limit=2, before=last) == [2, 1]


def test_nothing_is_logged_of_what_did_not_happen(database: Database) -> None:
    def fail(session: Session) -> None:
        audit.record(session, "ana", "act", "thing:1")
        raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        database.transaction(fail)
    assert database.transaction(audit.entries) == []


def test_notes_are_named_by_the_hash_of_their_id() -> None:
    assert audit.note_subject("n1") == "note:" + hashlib.sha256(b"n1").hexdigest()
    assert audit.id_hash("\ud800") != audit.id_hash("\ud801")
