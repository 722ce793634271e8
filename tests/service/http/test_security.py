"""Attacks on the running service. docs/security.md lists each attack with the test that tries it."""

from __future__ import annotations

import ast
import base64
import re
from pathlib import Path

import httpx
import pytest
from tests.service.http.running import Running
from tests.service.http.test_notes import code, ok, picture
from tests.service.media.test_decode import bomb

from uninote.service.http.access import access_of
from uninote.service.http.app import routes
from uninote.service.roles import ROLES

ROUTES = [
    (method, route.path, role)
    for route, role in access_of(routes().routes)
    for method in sorted(route.methods or ())
    if method != "HEAD"  # answered without a body
]
SOURCE = Path(__file__).parents[3] / "src"
SECURITY = Path(__file__).parents[3] / "docs" / "security.md"


def test_no_role_reaches_above_itself_on_any_route(real: Running) -> None:
    tried = 0
    for role in ("public", *ROLES):
        with real.client(role) as client:
            for method, pattern, needed in ROUTES:
                if needed == "public" or (role != "public" and ROLES.index(role) >= ROLES.index(needed)):
                    continue
                path = re.sub(r"\{[^}]+\}", "1", pattern)
                answer = client.request(method, path, json={} if method in ("POST", "PUT", "PATCH") else None)
                wanted = (401, "unauthorized") if role == "public" else (403, "forbidden")
                assert code(answer) == wanted, (role, method, pattern)
                tried += 1
    assert tried > 80


def test_a_key_is_taken_from_headers_only(real: Running) -> None:
    with real.client("public") as client:
        assert code(client.get("/v1/keys", params={"key": real.admin})) == (401, "unauthorized")
        assert code(client.get("/v1/keys", headers={"Cookie": f"key={real.admin}"})) == (401, "unauthorized")
        origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        preflight = client.options("/v1/notes", headers=origin)
        assert preflight.status_code == 401
        assert not [name for name in preflight.headers if name.startswith("access-control")]


@pytest.mark.parametrize("change", ["prefix", "secret", "case", "cut", "longer"])
def test_a_key_that_is_nearly_right_is_wrong(real: Running, change: str) -> None:
    mark, prefix, secret = real.admin.split("_", 2)
    forged = {
        "prefix": f"{mark}_{'0' * 12}_{secret}",
        "secret": f"{mark}_{prefix}_{secret[::-1]}",
        "case": f"{mark}_{prefix}_{secret.swapcase()}",
        "cut": real.admin[:-1],
        "longer": real.admin + "A",
    }[change]
    with httpx.Client(base_url=real.url, headers={"Authorization": f"Bearer {forged}"}) as client:
        assert code(client.get("/v1/keys")) == (401, "unauthorized")


def test_a_pixel_bomb_and_a_dot_are_refused_by_their_headers(admin: httpx.Client) -> None:
    data = base64.b64encode(bomb(30_000)).decode()
    sent = {"id": "bomb", "pictures": [{"data": data}]}
    assert code(admin.post("/v1/notes", json=sent)) == (413, "too_large")
    assert code(admin.post("/v1/embeddings", json={"input": {"pictures": [{"data": data}]}}))[0] == 413
    dot = {"id": "dot", "pictures": [{"data": picture(side=1)}]}
    assert code(admin.post("/v1/notes", json=dot)) == (422, "invalid")


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/latest/meta-data",
        "https://localhost/",
        "file:///etc/passwd",
        "http://example.com/",
        "/etc/passwd",
    ],
)
def test_no_address_is_fetched_unless_it_is_allowed(admin: httpx.Client, url: str) -> None:
    for path, body in (
        ("/v1/notes", {"id": "ssrf", "pictures": [{"url": url}]}),
        ("/v1/notes", {"id": "ssrf", "video": {"url": url}}),
        ("/v1/search", {"query": {"pictures": [{"url": url}]}}),
        ("/v1/samples", {"samples": [{"category": "x", "pictures": [{"url": url}]}]}),
    ):
        assert admin.post(path, json=body).status_code == 422


def test_paths_in_names_lead_nowhere(admin: httpx.Client) -> None:
    for name in (
        "..%2F..%2Fetc%2Fpasswd",
        "%2e%2e%2f%2e%2e%2fadmin.key",
        "..%5cadmin.key",
        "%2Fetc%2Fpasswd",
    ):
        assert admin.get(f"/v1/notes/{name}").status_code == 404
        assert admin.get(f"/v1/pictures/{name}").status_code in (404, 422)
    assert admin.post("/v1/model-versions", json={"folder": "../model"}).status_code == 422


def test_control_tokens_and_markup_in_text_stay_text(admin: httpx.Client) -> None:
    text = "[SEP] [CLS] <|image_pad|> <|im_start|>system <script>alert(1)</script> '; DROP TABLE notes; --"
    note = {"id": "tokens <b>", "title": text, "body": text, "tags": ["<img src=x onerror=alert(1)>"]}
    assert ok(admin.post("/v1/notes", json=note))["status"] in ("created", "unchanged")
    answer = admin.get("/v1/notes/tokens%20%3Cb%3E")
    assert answer.json()["title"] == text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    vectors = [
        one["embedding"] for one in ok(admin.post("/v1/embeddings", json={"input": [text, "a"]}))["data"]
    ]
    assert vectors[0] != vectors[1]


def test_nothing_in_the_source_unpickles_or_evaluates() -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    found = []
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").partition(".")[0]]
            bad = [name for name in names if name in forbidden]
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                on = {
                    keyword.arg
                    for keyword in node.keywords
                    if isinstance(keyword.value, ast.Constant) and keyword.value.value is True
                }
                dangerous = called in ("eval", "exec", "yaml.load", "os.system")
                bad += [called] if dangerous or (called == "torch.load" and "weights_only" not in on) else []
                bad += sorted(on & {"trust_remote_code", "allow_pickle", "shell"})
            found += [f"{file.name}: {one}" for one in bad]
    assert found == []


def test_every_test_that_the_security_page_names_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", SECURITY.read_text("utf-8"))
    assert len(named) > 20
    root = SOURCE.parent
    missing = [f"{file}::{name}" for file, name in named if f"def {name}(" not in (root / file).read_text()]
    assert missing == []
