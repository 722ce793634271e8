"""Shipped model: the trained model inside the package."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.items import Item
from uninote.shipped import COMPACT, HOME, model_folder, shipped_models


def test_the_shipped_model_is_small_and_names_no_machine() -> None:
    folder = shipped_models()[COMPACT]
    weights = [*folder.rglob("*.safetensors")]
    assert [file.stem for file in weights] == ["aggregator"]  # the towers are packages of their own
    assert sum(file.stat().st_size for file in weights) <= 25_000_000
    for file in (*folder.rglob("*.json"), folder / "README.md"):
        text = file.read_text("utf-8")
        assert not any(word in text for word in ("/home", "/work", "/tmp", "site-packages"))
    card = (folder / "README.md").read_text("utf-8")
    assert json.loads((folder / "uninote.json").read_text())["version"] in card
    assert "CC BY 4.0" in card


def test_its_name_loads_it_and_it_is_trained() -> None:
    encoder = Encoder.load("compact")
    assert encoder.version == json.loads((HOME / COMPACT / "uninote.json").read_text())["version"]
    items = [Item.of("a street in the rain"), Item.of("wet road, umbrellas"), Item.of("the kidney filters")]
    rows = encoder.encode(items)
    assert rows.shape == (3, 384)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert not np.allclose(rows, Encoder.compact().encode(items), atol=0.05)


def test_a_folder_of_that_name_comes_first(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_folder("compact") == HOME / COMPACT
    assert model_folder("./elsewhere/compact") == Path("elsewhere/compact")
    (tmp_path / COMPACT).mkdir()
    (tmp_path / COMPACT / "uninote.json").write_text("{}")
    assert model_folder("compact") == Path("compact")
    assert model_folder("other") == Path("other")


def test_an_installation_without_the_model_is_an_error(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("uninote.shipped.HOME", tmp_path / "none")
    assert shipped_models() == {}
    with pytest.raises(ModelError, match="make model"):
        model_folder("compact")
