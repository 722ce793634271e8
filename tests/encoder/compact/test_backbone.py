"""Compact backbone: inputs, batches, training on cached elements, saving and loading."""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.encoder.compact.conftest import Build
from tests.encoder.compact.small_towers import ColourTower, WordsTower, small_towers_in_place

from uninote.encoder import Encoder
from uninote.encoder.capabilities import HasAxes, ParamGroups, Reads, Remembers, TakesLora, WarmsUp
from uninote.encoder.compact.aggregator import reducing_axes
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.compact.towers import Towers
from uninote.encoder.protocol import LoadOptions
from uninote.errors import ItemError, ModelError, PictureError
from uninote.items import Item, Ocr, Picture

MakePicture = Callable[..., Picture]
MakeEncoder = Callable[..., Encoder]


def test_inputs_hold_every_element_once(build: Build, make_picture: MakePicture) -> None:
    backbone = build()
    a, b = make_picture(1), make_picture(2)
    inputs = backbone.prepare(
        [Item.of("red cat", a, Ocr("sale", a.digest), b), Item.of("sale", a), Item.of("red cat")]
    )
    assert inputs["kind"].tolist() == [0, 2, 1, 2, 0, 2, 0]
    assert inputs["row"].tolist() == [0, 2, 1, 3, 1, 2, 0]
    assert inputs["lengths"].tolist() == [4, 2, 1]
    assert inputs["texts"].shape == (2, 8)
    assert inputs["pictures"].shape == (2, 6)


@pytest.mark.parametrize("pooling", ["mean", "kinds", "gate", "both", "attention"])
def test_vectors_do_not_depend_on_the_batch(
    encoder: MakeEncoder, make_picture: MakePicture, pooling: str
) -> None:
    model = encoder(pooling=pooling)
    for parameter in model.backbone.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    items = [
        Item.of("one. two. " * 90),
        Item.of(make_picture(1)),
        Item.of("title", make_picture(1), make_picture(2)),
        Item.of("\u200b"),
    ]
    together = model.encode(items)
    alone = np.concatenate([model.encode([item]) for item in items])
    assert np.allclose(together, alone, atol=1e-6)
    assert np.isfinite(together).all()


def test_a_note_enters_whole_and_what_is_cut_is_logged(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    long = Item.of("title", " ".join(f"word{n}." for n in range(600)))
    backbone = build()
    assert backbone.cost(long) == 1 + 601
    texts = [one.content for one in backbone.elements(long)]
    assert " ".join(map(str, texts)) == " ".join(long.texts)
    with caplog.at_level(logging.WARNING):
        assert build(max_tokens=256).cost(long) <= 257
    assert "cut from 601" in caplog.text


def test_the_last_word_of_a_long_note_changes_its_vector(encoder: MakeEncoder) -> None:
    body = " ".join(f"word{n}." for n in range(600))
    first, second = encoder().encode([Item.of(f"{body} cat"), Item.of(f"{body} dog")])
    assert first @ second < 0.9999


def test_reading_is_part_of_the_vector(encoder: MakeEncoder, make_picture: MakePicture) -> None:
    plain = make_picture(1)
    read = Picture(plain.digest, None, plain.data, ocr=("sale today",))
    given, none = encoder(), encoder(read="none")
    assert np.allclose(
        given.encode([Item.of(read)]), given.encode([Item.of(read, Ocr("sale today", read.digest))])
    )
    assert not np.allclose(given.encode([Item.of(read)]), given.encode([Item.of(plain)]), atol=1e-3)
    assert np.allclose(none.encode([Item.of(read)]), none.encode([Item.of(plain)]))


def test_the_engine_reads_unread_pictures(
    encoder: MakeEncoder, make_picture: MakePicture, broken_picture: Picture
) -> None:
    class Engine:
        calls = 0

        def read(
            self, pictures: list[Picture], progress: bool = False
        ) -> dict[str, tuple[str, ...] | PictureError]:
            self.calls += len(pictures)
            return {
                p.digest: PictureError("broken") if p.digest == broken_picture.digest else ("sale today",)
                for p in pictures
            }

    model = encoder(read="all")
    engine = Engine()
    model.backbone.reader = engine
    plain = make_picture(1)
    failures: dict[int, ItemError] = {}
    items = [Item.of(plain), Item.of("x", broken_picture), Item.of(plain, Ocr("sale today", plain.digest))]
    rows = model.encode(items, failures=failures)
    assert list(failures) == [1]
    assert np.isnan(rows[1]).all()
    assert np.allclose(rows[0], rows[2])
    with pytest.raises(ItemError, match="broken"):
        model.encode(items)


def test_remembered_towers_do_not_run_in_training(build: Build, make_picture: MakePicture) -> None:
    words, colours = WordsTower(), ColourTower()
    backbone = build(None, [words], colours)
    items = [Item.of("one", make_picture(1)), Item.of("two", make_picture(2))]
    backbone.remember(items, dropout=0.5)
    read, seen = len(words.read), colours.seen
    inputs = backbone.train().prepare(items)
    assert not torch.equal(backbone(**inputs), backbone(**inputs))  # dropout
    assert torch.equal(backbone.eval()(**inputs), backbone(**inputs))
    assert (len(words.read), colours.seen) == (read, seen) == (2, 2)


def test_statistics_are_those_of_the_elements(build: Build, make_picture: MakePicture) -> None:
    backbone = build()
    pictures = [make_picture(n) for n in range(9)]
    items = [Item.of("one", "two", *pictures[:5]), Item.of("two", "three", *pictures)]
    backbone.fit_statistics(items)
    rows = backbone.towers.text_rows(["one", "two", "three"])
    assert torch.allclose(backbone.aggregator.centre, torch.from_numpy(rows.mean(0)))
    features = torch.from_numpy(backbone.towers.picture_rows(pictures))
    assert torch.allclose(backbone.aggregator.picture_centre, features.mean(0))
    assert torch.allclose(backbone.aggregator.picture_axes, reducing_axes(features, 6)[1])


def test_a_copy_has_its_own_weights_and_shares_the_towers(build: Build) -> None:
    backbone = build()
    frozen = copy.deepcopy(backbone).eval().requires_grad_(False)
    assert frozen.towers is backbone.towers
    with torch.no_grad():
        backbone.aggregator.scale.add_(1)
    assert frozen.aggregator.scale != backbone.aggregator.scale
    assert not any(p.requires_grad for p in copy.deepcopy(frozen).parameters())
    assert copy.deepcopy(backbone).training == backbone.training


def test_capabilities(build: Build) -> None:
    backbone = build()
    for capability in (HasAxes, ParamGroups, Reads, Remembers, WarmsUp):
        assert isinstance(backbone, capability), capability
    assert not isinstance(backbone, TakesLora)


def test_saved_and_loaded(build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = build(pooling="gate")
    for parameter in backbone.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    backbone.save(tmp_path)
    monkeypatch.setattr(Towers, "open", classmethod(lambda *_: backbone.towers))
    again = CompactBackbone.load(tmp_path, LoadOptions(device="cpu"))
    item = Item.of("one. two")
    assert torch.equal(again.eval()(**again.prepare([item])), backbone.eval()(**backbone.prepare([item])))

    stored = json.loads((tmp_path / "backbone.json").read_text())
    (tmp_path / "backbone.json").write_text(json.dumps(stored | {"towers": ["other", "colours"]}))
    with pytest.raises(ModelError, match="trained on the towers other, colours, not on words, colours"):
        CompactBackbone.load(tmp_path, LoadOptions(device="cpu"))
    (tmp_path / "backbone.json").write_text(json.dumps({"name": "compact"}))
    with pytest.raises(ModelError, match="not a whole compact model"):
        CompactBackbone.load(tmp_path, LoadOptions(device="cpu"))
    (tmp_path / "connector.safetensors").touch()
    with pytest.raises(ModelError, match="earlier release"):
        CompactBackbone.load(tmp_path, LoadOptions(device="cpu"))


def test_a_chunk_beyond_what_a_tower_reads_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with small_towers_in_place():
        for chunk in (2000, 350):
            CompactBackbone.start(CompactSettings(device="cpu", chunk=chunk))
    assert "choose at most" not in caplog.text  # small towers read 512 tokens
    with small_towers_in_place(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(WordsTower, "max_tokens", 254)
        CompactBackbone.start(CompactSettings(device="cpu", chunk=2000))
    assert "chunk is 2000 characters, of which the tower words reads 254 tokens" in caplog.text
    assert "choose at most 1016" in caplog.text
