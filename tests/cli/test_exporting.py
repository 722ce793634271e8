"""`uninote export` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from uninote.cli.exporting import app
from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.export import hub
from uninote.settings import EncoderSettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    settings = EncoderSettings(vision_side=64, read="given", device="cpu")  # type: ignore[call-arg]
    return Encoder.compact(settings).save(tmp_path_factory.mktemp("model"))


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_export_and_push(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = {}

    def push(folder: Path, repo_id: str, *, private: bool) -> str:
        pushed[repo_id] = (folder, private)
        return "https://hub/commit"

    monkeypatch.setattr(hub, "push_to_hub", push)
    to = tmp_path / "out"
    done = json.loads(run(model, "--out", to, "--push", "me/notes", "--private", "--json"))
    assert done["folder"] == str(to)
    assert done["format"] == "sentence-transformers"
    assert done["bytes"] == sum(file.stat().st_size for file in to.rglob("*") if file.is_file())
    assert done["commit"] == "https://hub/commit"
    assert pushed == {"me/notes": (to, True)}
    assert (to / "modules.json").is_file()
    assert "Not measured" in (to / "README.md").read_text()


def test_what_cannot_be_done_names_the_fix(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="choose --format sentence-transformers"):
        run(model, "--out", tmp_path / "out", "--format", "transformers")
    with pytest.raises(ModelError, match=r"no readable uninote\.json"):
        run(tmp_path, "--out", tmp_path / "out")
    with pytest.raises(ModelError, match=r"no report\.json"):
        run(model, "--out", tmp_path / "out", "--report", tmp_path / "nothing.json")
    assert list(tmp_path.iterdir()) == []
