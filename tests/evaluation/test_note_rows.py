from __future__ import annotations

import logging

import numpy as np
import pytest
from tests.encoder.compact.small_towers import WordsTower

from uninote.encoder.compact.rows import RowCache
from uninote.evaluation import note_rows as module
from uninote.evaluation.note_rows import near_rows, note_rows
from uninote.items import Note
from uninote.settings import load_settings


def test_a_row_is_the_unit_mean_of_the_chunks(make_note) -> None:
    notes = [
        Note("a", "red barn", "blue lake"),
        Note("b", "red barn"),
        Note("c", pictures=make_note(1).pictures),
    ]
    tower = WordsTower()
    found = note_rows(notes, tower, RowCache())
    title, body = (tower.encode([text]).astype(np.float16)[0] for text in ("red barn", "blue lake"))
    title, body = (one / np.linalg.norm(one.astype(np.float32)) for one in (title, body))
    np.testing.assert_allclose(found[0], (title + body) / np.linalg.norm(title + body), atol=1e-3)
    np.testing.assert_allclose(found[1], title, atol=1e-3)
    assert found[2].tolist() == [0] * tower.width


def test_rows_are_kept_on_disk_under_the_name_of_the_tower(tmp_path, monkeypatch, make_note) -> None:
    notes = [make_note(i) for i in range(3)]
    settings = load_settings(None)
    towers = [WordsTower(), WordsTower()]
    monkeypatch.setattr(module, "packaged_file", lambda: tmp_path)
    monkeypatch.setattr(module, "text_tower", lambda *_, **__: towers[0])
    first = near_rows(settings, tmp_path)(notes)
    monkeypatch.setattr(module, "text_tower", lambda *_, **__: towers[1])
    np.testing.assert_array_equal(near_rows(settings, tmp_path)(notes), first)
    assert towers[0].read
    assert not towers[1].read
    assert list((tmp_path / "words").glob("*.safetensors"))


def test_without_the_tower_a_notice_names_extra_and_setting(monkeypatch, caplog) -> None:
    monkeypatch.setattr(module, "packaged_file", lambda: None)
    monkeypatch.setattr(module, "text_tower", lambda *_, **__: pytest.fail("loaded"))
    with caplog.at_level(logging.WARNING):
        assert near_rows(load_settings(None), None) is None
    assert "uninote[multilingual]" in caplog.text
    assert "evaluation.near_misses" in caplog.text


def test_a_tower_that_cannot_be_loaded_is_named(tmp_path, caplog) -> None:
    settings = load_settings(None, evaluation={"near_misses": str(tmp_path)}, encoder={"device": "cpu"})
    with caplog.at_level(logging.WARNING):
        assert near_rows(settings, None) is None
    assert str(tmp_path) in caplog.text


def test_an_empty_setting_switches_it_off(monkeypatch) -> None:
    monkeypatch.setattr(module, "text_tower", lambda *_, **__: pytest.fail("loaded"))
    assert near_rows(load_settings(None, evaluation={"near_misses": ""}), None) is None
