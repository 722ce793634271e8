"""Uploading, against a server that speaks the hub's own protocol on this machine."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import constants

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.export import export_model, load_sentence_transformer, push_to_hub
from uninote.items import Item

TOKEN = "hf_" + "a" * 34
COMMIT = "0" * 40


class Hub(ThreadingHTTPServer):
    """Keeps what was made and committed; `refuse` is the status of every answer, when set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.message = ""
        self.branches: list[str] = []
        self.refuse = 0
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuse:
            self._answer({"error": "not yours"}, self.server.refuse)
        elif self.path == "/api/repos/create":
            self.server.made.append(json.loads(body))
            self._answer({"url": f"{self.server.address}/me/notes", "name": "me/notes"})
        elif "/branch/" in self.path:
            self.server.branches.append(self.path.rpartition("/")[2])
            self._answer({})
        elif "/preupload/" in self.path:
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            self._answer({"files": modes})
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "header":
                    self.server.message = line["value"]["summary"]
                elif line["key"] == "file":
                    self.server.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            url = f"{self.server.address}/me/notes/commit/{COMMIT}"
            self._answer({"success": True, "commitOid": COMMIT, "commitUrl": url})
        else:  # the check of the card's front matter
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        if "/resolve/" in self.path:
            name = self.path.partition("/resolve/")[2].partition("/")[2]
            self._answer(self.server.files.get(name), 200 if name in self.server.files else 404)
        elif "/tree/" in self.path:
            files = [{"path": name, "size": len(data)} for name, data in self.server.files.items()]
            self._answer([{"type": "file", "oid": "0", **file} for file in files])
        else:
            siblings = [{"rfilename": name} for name in self.server.files]
            self._answer({"id": "me/notes", "sha": COMMIT, "siblings": siblings})

    do_HEAD = do_GET

    def _answer(self, content: Any, status: int = 200) -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
    template = f"{server.address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "README.md").write_text("---\nlibrary_name: uninote\n---\n\n# UniNote\n")
    (tmp_path / "adapter" / "weights.safetensors").write_bytes(bytes(range(256)))
    return tmp_path


def test_the_whole_folder_arrives(hub: Hub, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    commit = push_to_hub(folder, "me/notes", private=True, commit_message="first")
    assert commit == f"{hub.address}/me/notes/commit/{COMMIT}"
    assert hub.files == {
        "README.md": (folder / "README.md").read_bytes(),
        "adapter/weights.safetensors": bytes(range(256)),
    }
    assert hub.message == "first"
    (made,) = hub.made
    assert (made["organization"], made["name"]) == ("me", "notes")
    assert made.get("visibility") == "private" or made.get("private") is True
    assert hub.tokens == {f"Bearer {TOKEN}"}
    assert TOKEN not in caplog.text


def test_a_pushed_model_is_loaded_by_its_name(
    hub: Hub, compact: Encoder, items: list[Item], tmp_path: Path
) -> None:
    push_to_hub(export_model(compact, tmp_path / "out"), "me/notes", revision="v1")
    assert hub.branches == ["v1"]
    ours = load_sentence_transformer("me/notes", device="cpu", cache_folder=str(tmp_path / "cache"))
    assert np.allclose(ours.encode(items), compact.encode(items), atol=1e-5)
    pushed = dict(hub.files)
    hub.files.clear()
    assert ours.push_to_hub("me/notes", exist_ok=True).endswith(COMMIT)  # the library's own
    assert {name: hub.files[name] for name in pushed if name.endswith("safetensors")} == {
        name: content for name, content in pushed.items() if name.endswith("safetensors")
    }
    with pytest.raises(ModelError, match="neither a folder nor a model on the hub"):
        load_sentence_transformer("not a/repo/name")


def test_a_refusal_is_one_line_without_the_token(hub: Hub, folder: Path) -> None:
    hub.refuse = 403
    with pytest.raises(ModelError, match="me/notes cannot be uploaded") as caught:
        push_to_hub(folder, "me/notes")
    assert TOKEN not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert hub.files == {}


def test_bad_names_and_folders_are_refused_before_any_request(hub: Hub, folder: Path) -> None:
    with pytest.raises(ModelError, match="cannot be uploaded"):
        push_to_hub(folder, "not a/repo/name")
    (folder / "README.md").unlink()
    with pytest.raises(ModelError, match="no exported model"):
        push_to_hub(folder, "me/notes")
    assert hub.tokens == set()
