"""Search inputs: kept by content, within bounds, and gone with the note that has the same picture."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.service.conftest import MakeNote, Toward, World

from uninote.items import Picture
from uninote.service.domain.notes import search_inputs
from uninote.service.domain.notes.forget import forget
from uninote.service.domain.notes.search_inputs import Content
from uninote.service.errors import NotFoundError


def keep(world: World, *texts: str) -> None:
    for text in texts:  # one transaction each, so that their times differ
        content = Content("text", text.encode())
        world.database.transaction(lambda session, one=content: search_inputs.keep(session, [one, one]))


def kept(world: World) -> set[str]:
    return {row[0].decode() for row in world.rows("SELECT data FROM service.search_inputs")}


def test_an_input_is_kept_once_and_read_as_its_kind(world: World) -> None:
    keep(world, "a", "a")
    assert kept(world) == {"a"}
    digest = Content("text", b"a").digest
    read = world.database.transaction
    assert read(lambda session: search_inputs.read(session, digest, "text")) == b"a"
    with pytest.raises(NotFoundError, match="The picture of this search is not kept any more"):
        read(lambda session: search_inputs.read(session, digest, "picture"))


def test_the_oldest_go_when_they_are_too_many_too_long_or_too_old(world: World) -> None:
    keep(world, "aaaa", "bb", "cc")
    run = world.database.transaction
    assert run(lambda session: search_inputs.expire(session, max_inputs=3)) == 0
    keep(world, "aaaa")  # used again: now the newest
    assert run(lambda session: search_inputs.expire(session, max_bytes=6)) == 1
    assert kept(world) == {"aaaa", "cc"}
    assert run(lambda session: search_inputs.expire(session, max_inputs=1)) == 1
    assert kept(world) == {"aaaa"}
    assert run(lambda session: search_inputs.expire(session, timedelta(days=-1))) == 1


def test_keeping_deletes_what_is_over_the_limit(world: World) -> None:
    keep(world, "old")
    world.database.transaction(
        lambda session: session.connection().exec_driver_sql(
            "UPDATE service.search_inputs SET used = now() - interval '8 days'"
        )
    )
    keep(world, "new")
    assert kept(world) == {"new"}


def test_a_picture_of_a_note_is_read_and_forgotten_with_it(world: World, note: MakeNote, at: Toward) -> None:
    picture = Picture.from_bytes(b"bytes of a picture")
    world.ingest(note("n", at(1.0), pictures=(picture,)))
    run = world.database.transaction
    assert run(lambda session: search_inputs.read(session, picture.digest, "picture")) == picture.read()
    run(lambda session: search_inputs.keep(session, [Content("picture", picture.read())]))
    run(lambda session: forget(session, ["n"], "ops"))
    with pytest.raises(NotFoundError):
        run(lambda session: search_inputs.read(session, picture.digest, "picture"))
