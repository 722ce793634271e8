"""Online mode and search over HTTP, with the compact encoder."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.service.http.running import Running


def picture(colour: str = "red", side: int = 40) -> str:
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


def ok(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_a_note_is_stored_read_and_forgotten(admin: httpx.Client, new: Callable[[str], str]) -> None:
    note_id = new("a/b c?#%ü")
    note = {
        "id": note_id,
        "title": "Rain in the city",
        "body": "wet streets",
        "pictures": [{"data": picture("teal", 41), "description": "a red square", "ocr": ["STOP"]}],
        "tags": ["rain"],
        "time": "2026-01-02T03:04:05+01:00",
        "category": "weather",
    }
    assert ok(admin.post("/v1/notes", json=note)) == {
        "id": note_id,
        "status": "created",
        "hits": [],
        "error": None,
    }
    assert ok(admin.post("/v1/notes", json=note))["status"] == "unchanged"
    assert ok(admin.post("/v1/notes", json=note | {"title": "Sun"}))["status"] == "updated"
    path = f"/v1/notes/{httpx.QueryParams({'x': note_id}).__str__()[2:].replace('+', '%20')}"
    stored = ok(admin.get(path))
    assert (stored["title"], stored["tags"], stored["time"]) == ("Sun", ["rain"], "2026-01-02T02:04:05Z")
    shown = stored["pictures"][0]
    assert (shown["description"], shown["ocr"]) == ("a red square", ["STOP"])
    bytes_back = admin.get(f"/v1/pictures/{shown['digest']}")
    assert base64.b64encode(bytes_back.content).decode() == picture("teal", 41)
    assert bytes_back.headers["content-type"] == "image/png"
    assert "sandbox" in bytes_back.headers["content-security-policy"]
    assert ok(admin.delete(path)) == {"deleted": True}
    assert code(admin.get(path)) == (404, "not_found")
    assert code(admin.get(f"/v1/pictures/{shown['digest']}")) == (404, "not_found")
    assert code(admin.post("/v1/notes", json=note)) == (409, "forgotten")
    log = ok(admin.get("/v1/audit", params={"note_id": note_id}))["entries"]
    assert [entry["action"] for entry in log] == ["note.forget", "note.change", "note.create"]
    assert all(entry["actor"].startswith("key:") for entry in log)


def test_an_idempotency_key_is_answered_once_per_body(admin: httpx.Client, new: Callable[[str], str]) -> None:
    note, headers = {"id": new("i"), "title": "once"}, {"Idempotency-Key": new("key")}
    assert ok(admin.post("/v1/notes", json=note, headers=headers))["status"] == "created"
    assert ok(admin.post("/v1/notes", json=note, headers=headers))["status"] == "unchanged"
    again = admin.post("/v1/notes", json=note | {"title": "twice"}, headers=headers)
    assert code(again) == (409, "conflict")
    assert ok(admin.get(f"/v1/notes/{note['id']}"))["title"] == "once"


def test_a_bad_note_is_rejected_and_the_rest_of_the_batch_goes_on(
    admin: httpx.Client, new: Callable[[str], str]
) -> None:
    broken = base64.b64encode(b"\x89PNG\r\n\x1a\n broken").decode()
    notes = [
        {"id": new("good"), "title": "fine"},
        {"id": new("broken"), "title": "x", "pictures": [{"data": broken}]},
        {"id": new("empty")},
        {"id": new("tiny"), "pictures": [{"data": picture(side=1)}]},
        {"id": new("many"), "pictures": [{"data": picture()}] * 19},
        {"id": new("url"), "pictures": [{"url": "https://169.254.169.254/latest/meta-data"}]},
        {"id": new("unknown"), "title": "x", "match_categories": ["no such category"]},
        {"id": new("also good"), "body": "fine too"},
    ]
    outcomes = ok(admin.post("/v1/notes/batch", json={"notes": notes}))["outcomes"]
    assert [one["id"] for one in outcomes] == [note["id"] for note in notes]
    assert [one["status"] for one in outcomes] == ["created", *["rejected"] * 6, "created"]
    codes = [one["error"]["code"] for one in outcomes[1:-1]]
    assert codes == [
        "invalid",
        "bad_item",
        "invalid",
        "invalid",
        "invalid",
        "unknown_category",
    ]
    assert "url_hosts" in outcomes[5]["error"]["message"]
    assert code(admin.post("/v1/notes", json=notes[1])) == (422, "invalid")
    foreign = base64.b64encode(b"%PDF-1.7").decode()
    refused = {"id": new("foreign"), "pictures": [{"data": foreign}]}
    assert code(admin.post("/v1/notes", json=refused)) == (415, "unsupported_media_type")
    assert code(admin.post("/v1/notes", json=notes[6])) == (422, "unknown_category")


@pytest.mark.parametrize(
    "body",
    [
        {"title": "no id"},
        {"id": ""},
        {"id": "a\x00b", "title": "x"},
        {"id": 7, "title": "x"},
        {"id": "x", "title": "x", "surprise": 1},
        {"id": "x", "pictures": [{}]},
        {"id": "x", "pictures": [{"data": "AAAA", "url": "https://a.example/x"}]},
        {"id": "x", "title": "x", "time": "2026-01-01T00:00:00"},
        {"id": "x", "title": "x" * 5000},
    ],
)
def test_what_the_schema_refuses(admin: httpx.Client, body: dict[str, Any]) -> None:
    answer = admin.post("/v1/notes", json=body)
    assert answer.status_code == 422
    assert answer.json()["error"]["problems"][0]["where"].startswith("body")


@pytest.mark.parametrize(
    ("media", "says"),
    [
        ({"pictures": [{"url": "file:///etc/passwd"}]}, "pictures.0.url: a URL begins with https://"),
        ({"pictures": [{"data": picture()}, {"data": "no!"}]}, "pictures.1.data: is not base64"),
        ({"pictures": [{"data": picture()}, {"data": "/9j/"}]}, "pictures.1: picture data is a damaged"),
        ({"video": {"data": "no!"}}, "video.data: is not base64"),
        ({"video": {"data": "YWJj"}}, "video: "),
    ],
)
def test_bad_media_reject_their_note_alone_and_are_named(
    admin: httpx.Client, new: Callable[[str], str], media: dict[str, Any], says: str
) -> None:
    bad, good = {"id": new("bad media"), "title": "x", **media}, {"id": new("beside it"), "title": "x"}
    first, second = ok(admin.post("/v1/notes/batch", json={"notes": [bad, good]}))["outcomes"]
    assert (first["status"], second["status"]) == ("rejected", "created")
    assert first["error"]["message"].startswith(says)
    if "damaged" in says:
        assert first["error"]["message"].endswith("; leave it out to send the rest")


def test_a_lone_surrogate_in_a_text_is_replaced(admin: httpx.Client, new: Callable[[str], str]) -> None:
    note_id = new("surrogate")
    body = f'{{"id": "{note_id}", "title": "a\\ud800b", "body": "c\\u0000d"}}'
    ok(admin.post("/v1/notes", content=body, headers={"Content-Type": "application/json"}))
    note = ok(admin.get(f"/v1/notes/{note_id}"))
    assert (note["title"], note["body"]) == ("a\ufffdb", "c\ufffdd")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[" * 100_000,
        b'{"id":' * 100_000,
        b'{"id": "x", "title": NaN}',
        b"\xff\xfe",
        b'{"id": "\\ud800", "title": "x"}',
        b'{"id": "x", "\\ud800": 1}',
        b"",
    ],
)
def test_bodies_that_are_no_json_or_deeper_than_it_can_be(admin: httpx.Client, body: bytes) -> None:
    answer = admin.post("/v1/notes", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert answer.json()["error"]["message"]


def test_matching_stores_nothing(admin: httpx.Client, new: Callable[[str], str]) -> None:
    title = new("only looked at")
    answer = ok(admin.post("/v1/match", json={"notes": [{"title": title}, {}]}))
    assert answer["outcomes"][0] == {"hits": [], "error": None}
    assert answer["outcomes"][1]["error"]["code"] == "bad_item"
    found = ok(admin.post("/v1/search", json={"query": {"text": title}, "k": 1000}))["hits"]
    assert title not in [hit["title"] for hit in found]


def test_search_by_anything_finds_the_same_note(admin: httpx.Client, new: Callable[[str], str]) -> None:
    kind, note_id = new("kind"), new("fox")
    notes = [
        {
            "id": note_id,
            "title": "The quick brown fox",
            "pictures": [{"data": picture("blue")}],
            "kind": kind,
        },
        {"id": new("market"), "title": "Stocks fell on Monday", "kind": kind, "category": "finance"},
    ]
    ok(admin.post("/v1/notes/batch", json={"notes": notes}))
    only = {"filter": {"kinds": [kind]}}

    def search(query: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = ok(admin.post("/v1/search", json={"query": query, **only, **options}))[
            "hits"
        ]
        return found

    by_text = search({"text": "The quick brown fox"})
    assert [hit["note_id"] for hit in by_text] == [note_id, notes[1]["id"]]
    assert by_text[0]["title"] == "The quick brown fox"
    assert len(by_text[0]["pictures"]) == 1
    whole = {"title": "The quick brown fox", "pictures": [{"data": picture("blue")}]}
    for same in (
        {"note": whole},
        {"note_id": note_id},
        {"text": whole["title"], "pictures": whole["pictures"]},
    ):
        assert search(same)[0]["score"] == 1.0
        assert [hit["note_id"] for hit in search(same, min_score=1)] == [note_id]
    assert search({"pictures": [{"data": picture("blue")}]})[0]["note_id"] == note_id
    assert [hit["note_id"] for hit in search({"note_id": note_id}, min_score=0.9)] == [note_id]
    assert search({"text": "fox"}, filter={"kinds": [kind], "categories": ["finance"]})[0]["score"] < 0.9
    assert search({"text": "fox"}, filter={"kinds": [kind], "since": "2026-01-01T00:00:00Z"}) == []
    assert code(admin.post("/v1/search", json={"query": {"note_id": "nowhere"}})) == (404, "not_found")
    assert code(admin.post("/v1/search", json={"query": {}})) == (422, "invalid")
    assert code(admin.post("/v1/search", json={"query": {"text": "  "}})) == (422, "bad_item")


@pytest.mark.parametrize(
    ("role", "method", "path", "allowed"),
    [
        ("read", "POST", "/v1/search", True),
        ("read", "POST", "/v1/notes", False),
        ("ingest", "POST", "/v1/notes", True),
        ("ingest", "DELETE", "/v1/notes/x", False),
        ("operate", "DELETE", "/v1/notes/x", True),
        ("operate", "POST", "/v1/keys", False),
        ("admin", "POST", "/v1/keys", True),
    ],
)
def test_roles(real: Running, role: str, method: str, path: str, allowed: bool) -> None:
    with real.client(role) as client:
        answer = client.request(method, path, json={} if method == "POST" else None)
    assert (answer.status_code == 403) is not allowed
    if not allowed:
        assert "role" in answer.json()["error"]["message"]


def test_a_revoked_key_stops_at_once_and_a_role_cannot_be_invented(
    admin: httpx.Client, real: Running
) -> None:
    made = ok(admin.post("/v1/keys", json={"name": "short lived", "role": "read"}))
    with httpx.Client(base_url=real.url, headers={"Authorization": f"Bearer {made['key']}"}) as client:
        assert client.get("/metrics").status_code == 200
        assert ok(admin.delete(f"/v1/keys/{made['prefix']}"))["revoked"]
        assert code(client.get("/metrics")) == (401, "unauthorized")
    listed = ok(admin.get("/v1/keys"))
    secret = made["key"].split("_", 2)[2]  # which may hold more of them
    assert len(secret) > 20
    assert secret not in str(listed)
    assert code(admin.post("/v1/keys", json={"name": "x", "role": "root"})) == (422, "invalid")
    assert code(admin.delete("/v1/keys/ffffffffffff")) == (404, "not_found")
