"""Texts in pictures over HTTP: read once, with a bounded queue, and named in explanations."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from tests.service.http.conftest import StartStub
from tests.service.http.running import Running
from tests.service.http.test_explanations import similarity
from tests.service.http.test_moderation import guns, store
from tests.service.http.test_notes import code, ok, picture
from tests.service.http.test_scheduling import gauge, until


def readings(running: Running) -> list[str]:
    file = running.folder / "readings"
    return file.read_text().split() if file.exists() else []


def reading(stub: StartStub, **options: Any) -> Running:
    running = stub(**options)
    (running.folder / "reads").touch()
    return running


def shown(colour: str, **more: Any) -> list[dict[str, Any]]:
    return [{"data": picture(colour, 41), **more}]


def test_an_unread_picture_is_read_once_and_matches_by_its_text(stub: StartStub) -> None:
    running = reading(stub)
    with running.client() as api:
        guns(api)
        hits = ok(api.post("/v1/notes", json={"id": "n1", "pictures": shown("red")}))["hits"]
        assert [hit["category"] for hit in hits] == ["arms/guns"]
        assert len(readings(running)) == 1
        given = {"id": "n2", "pictures": shown("blue", ocr=["flower"])}
        assert ok(api.post("/v1/notes", json=given))["hits"] == []
        assert len(readings(running)) == 1
        page = api.get("/metrics").text
        assert 'uninote_pictures_total{result="read"} 1.0' in page


def test_a_full_queue_of_pictures_is_told_and_others_are_served(stub: StartStub) -> None:
    running = reading(stub, reading_queue=1, reading_threads=1)
    hold = running.folder / "hold-reading"
    hold.touch()

    def post() -> httpx.Response:
        with running.client() as api:
            return api.post("/v1/notes", json={"id": "held", "pictures": shown("red")})

    with ThreadPoolExecutor(1) as pool, running.client() as api:
        held = pool.submit(post)
        until(lambda: gauge(running, "reading_pictures") == 1)
        refused = api.post("/v1/notes", json={"id": "more", "pictures": shown("blue")})
        assert code(refused) == (429, "busy")
        assert "1 pictures wait to be read" in refused.text
        assert int(refused.headers["retry-after"]) >= 1
        assert store(api, "text", "flower red") == []
        assert ok(api.post("/v1/notes", json={"id": "given", "pictures": shown("blue", ocr=[])}))
        assert api.get("/health/ready").status_code == 200
        assert not held.done()
        hold.unlink()
        assert held.result().status_code == 200
    until(lambda: gauge(running, "reading_pictures") == 0)


def test_an_explanation_names_the_picture_whose_text_was_read(stub: StartStub) -> None:
    running = reading(stub)
    with running.client() as api:
        asked = {
            "query": {"text": "weapon"},
            "target": {
                "note": {"title": "weapon", "pictures": [*shown("red", ocr=["given"]), *shown("blue")]}
            },
        }
        found = ok(api.post("/v1/explanations", json=asked))
        pieces = [(one["kind"], one["text"], one["number"]) for one in found["target"]]
        assert pieces == [
            ("sentence", "weapon", 0),
            ("picture", "", 1),
            ("ocr", "given", 1),
            ("picture", "", 2),
            ("ocr", "weapon", 2),
        ]
        left = found["target"][4]["left"]  # without that text, which is not read again
        assert left == pytest.approx(similarity("weapon", "weapon given"), abs=1e-5)
        assert len(readings(running)) == 1
