"""Uploading, against a server that speaks the hub's own protocol on this machine."""

from __future__ import annotations

import base64
import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import constants

from uninote.errors import ModelError
from uninote.export import push_to_hub

TOKEN = "hf_" + "a" * 34


class Hub(ThreadingHTTPServer):
    """Keeps what was made and committed; `refuse` is the status of every answer, when set."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.made: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.tokens: set[str | None] = set()
        self.message = ""
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
            url = f"{self.server.address}/me/notes/commit/{'0' * 40}"
            self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": url})
        else:  # the check of the card's front matter
            self._answer({"errors": [], "warnings": []})

    def do_GET(self) -> None:
        self._answer({"id": "me/notes", "sha": "0" * 40, "siblings": []})

    def _answer(self, content: Any, status: int = 200) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    server = Hub()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", server.address)
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
    commit = push_to_hub(folder, "me/notes", private=True, message="first")
    assert commit == f"{hub.address}/me/notes/commit/{'0' * 40}"
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
