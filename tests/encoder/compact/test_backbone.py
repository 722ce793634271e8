"""Sequences of the compact backbone: what goes in, what is trimmed, what stays text."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Sequence

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uninote.encoder import Encoder
from uninote.encoder.compact.backbone import CompactBackbone
from uninote.encoder.compact.vision import CELLS, CHANNELS
from uninote.items import Item, Picture
from uninote.settings import EncoderSettings


@pytest.fixture(scope="module")
def backbone(untrained: Encoder) -> CompactBackbone:
    assert isinstance(untrained.backbone, CompactBackbone)
    return untrained.backbone


def resized(backbone: CompactBackbone, max_tokens: int) -> CompactBackbone:
    """Copy with another sequence length; features are zeros, since decoding is tested elsewhere."""
    other = copy.copy(backbone)
    other.settings = EncoderSettings(max_tokens=max_tokens, vision_side=64)
    other._tokens = other._tokenise  # type: ignore[assignment]

    def zeros(pictures: Sequence[Picture]) -> torch.Tensor:
        return torch.zeros(len(pictures), CELLS, CHANNELS)

    other.features = zeros  # type: ignore[assignment]
    return other


def fake_pictures(count: int) -> list[Picture]:
    return [Picture(f"digest {i}") for i in range(count)]


def test_sequence_of_a_note(backbone: CompactBackbone) -> None:
    other = resized(backbone, 64)
    a, b = fake_pictures(2)
    inputs = other.prepare([Item.of("red cat", a, b, "sale", a), Item.of("red")])
    decoded = other.tokenizer.convert_ids_to_tokens(inputs["ids"][0].tolist())
    pads = ["[PAD]"] * CELLS
    assert decoded == ["[CLS]", "red", "cat", "[SEP]", *pads, *pads, "sale", "[SEP]", *pads]
    slots = [-1] * 4 + list(range(8)) + [-1] * 2 + list(range(4))
    assert inputs["slots"][0].tolist() == slots
    assert inputs["mask"].tolist() == [[1] * 18, [1] * 3 + [0] * 15]
    assert inputs["member"].tolist() == [[2, 1], [0, 0]]
    assert inputs["features"].shape == (2, CELLS, CHANNELS)


@pytest.mark.parametrize("typed", ["[SEP] [CLS]", "[PAD][MASK] [UNK]", "a [SEP]b"])
def test_special_tokens_in_user_text_stay_text(backbone: CompactBackbone, typed: str) -> None:
    ids = backbone.prepare([Item.of(typed)])["ids"][0].tolist()
    assert ids[0] == backbone.tokenizer.cls_token_id
    assert ids[-1] == backbone.tokenizer.sep_token_id
    assert not set(ids[1:-1]) & set(backbone.tokenizer.all_special_ids)
    spelled = backbone.tokenizer.decode(ids[1:-1]).replace(" ", "")
    assert spelled == typed.lower().replace(" ", "")


@pytest.mark.parametrize("max_tokens", [16, 160, 512])
def test_long_items_are_trimmed(
    backbone: CompactBackbone, max_tokens: int, caplog: pytest.LogCaptureFixture
) -> None:
    other = resized(backbone, max_tokens)
    pictures = fake_pictures(150)
    items = [
        Item.of("title", "word " * 20_000),
        Item.of("title", "word " * 20_000, pictures[0]),  # a picture at the end needs a [SEP] of its own
        Item.of(*pictures),
        Item.of("title", "x" * 100_000, *[part for p in pictures for part in (p, "sale")]),
    ]
    with caplog.at_level(logging.WARNING):
        inputs = other.prepare(items)
    assert "trimmed from 150" in caplog.text
    lengths = inputs["mask"].sum(1).tolist()
    assert lengths[:2] == [max_tokens] * 2
    assert max(lengths) <= max_tokens
    assert inputs["slots"].amax() >= 0
    with torch.inference_mode():
        assert torch.isfinite(other(**inputs)).all()


def test_a_long_body_does_not_cut_the_title(backbone: CompactBackbone) -> None:
    other = resized(backbone, 32)
    title = "seven words that are all kept here"
    first = other.prepare([Item.of(title, "word " * 500)])["ids"][0]
    assert other.tokenizer.decode(first[1:8]) == title


PARTS = st.lists(
    st.one_of(
        st.sampled_from(["cat", "one two three", "\u200b", "\ud800", "word " * 40, "猫が好き", "🙂" * 3]),
        st.integers(0, 5),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARTS, st.integers(16, 80))
def test_length_within_max_tokens_and_cost(
    backbone: CompactBackbone, parts: list[str | int], max_tokens: int
) -> None:
    other = resized(backbone, max_tokens)
    pictures = fake_pictures(6)
    item = Item.of(*[pictures[part] if isinstance(part, int) else part for part in parts])
    inputs = other.prepare([item])
    length = inputs["ids"].shape[1]
    assert length <= max_tokens
    assert length <= other.cost(item) <= length + len(parts) + 1
    shown = int((inputs["slots"] >= 0).sum())
    assert shown == CELLS * min(len(item.pictures), max(1, max_tokens // 2 // CELLS))


def test_cold_visual_tokens_leave_the_words_alone(
    backbone: CompactBackbone, make_picture: Callable[..., Picture]
) -> None:
    """Compare the words of a note with those of a note without pictures; the visual tokens read both."""
    a, b = make_picture(1), make_picture(2)
    items = [
        Item.of("red cat", a, "sale", b),
        Item.of("red cat", "sale"),
        Item.of("dog", a, "sale", b),
        Item.of(a),
    ]
    inputs = backbone.prepare(items)
    del inputs["member"]
    with torch.no_grad():
        words, seen = backbone.towers(**inputs)
    assert torch.allclose(words[0], words[1], atol=1e-6)
    assert not torch.allclose(words[0], words[2], atol=1e-2)
    assert not torch.allclose(seen[0], seen[2], atol=1e-3)
    assert not words[3].any()
    assert not seen[1].any()


def test_features_of_a_repeated_picture_are_computed_once(
    backbone: CompactBackbone, make_picture: Callable[..., Picture]
) -> None:
    a = make_picture(0)
    described = Picture(a.digest, a.path, a.data, "annotations are not embedded")
    inputs = backbone.prepare([Item.of(a, "x", described), Item.of("y", a)])
    assert inputs["features"].shape == (1, CELLS, CHANNELS)
    assert inputs["member"].tolist() == [[2], [1]]


def test_only_the_connector_trains_before_lora_and_adapters_after(backbone: CompactBackbone) -> None:
    other = copy.deepcopy(backbone)

    def trained() -> set[str]:
        return {name.split(".")[0] for name, p in other.named_parameters() if p.requires_grad}

    assert trained() == {"connector"}
    other.add_lora(4, 8, 0.0)
    assert trained() == {"connector", "text"}
    names = [name for name, p in other.text.named_parameters() if p.requires_grad]
    assert names
    assert all("lora_" in name for name in names)
    other.add_lora(8, 8, 0.0)
    assert [name for name, p in other.text.named_parameters() if p.requires_grad] == names


def test_gradients_reach_connector_and_adapters_after_encoding(
    untrained: Encoder, make_picture: Callable[..., Picture]
) -> None:
    """Train on features that encoding has cached in inference mode."""
    encoder = Encoder(copy.deepcopy(untrained.backbone), untrained.settings)
    item = Item.of("a red car", make_picture(40))
    encoder.encode([item])
    backbone = encoder.backbone
    assert isinstance(backbone, CompactBackbone)
    backbone.add_lora(4, 8, 0.0)
    backbone(**backbone.prepare([item])).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
    gate = backbone.connector.gate.grad
    assert gate is not None
    assert gate != 0
