"""Choice of checkpointing and GradCache at the start of a stage, by the memory of the device."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.training.tiny_backbone import items_of, tiny_encoder, tiny_examples

from uninote.encoder import Encoder
from uninote.items import Item
from uninote.training import memory

ITEMS = [Item.of("word " * n) for n in (1, 2, 30, 40)]


@pytest.fixture
def qwen(tiny_qwen: Callable[..., Path]) -> Callable[..., Encoder]:
    return lambda **options: Encoder.pretrained(tiny_qwen(), device="cpu", dims=(16,), **options)


def layers(encoder: Encoder) -> bool:
    backbone: Any = encoder.backbone
    return bool(backbone.core.language_model.layers[0].gradient_checkpointing)


def test_a_small_model_trains_as_it_is(
    qwen: Callable[..., Encoder], caplog: pytest.LogCaptureFixture
) -> None:
    encoder = qwen()
    with caplog.at_level(logging.INFO, memory.__name__):
        assert not memory.choose_memory(encoder, ITEMS, 8, None, "sft")
    assert not layers(encoder)
    assert "checkpointing off, GradCache off; a step of about" in caplog.text


def test_both_where_memory_is_short_with_a_warning_that_names_the_way_out(
    qwen: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 1000)
    encoder = qwen()
    assert memory.choose_memory(encoder, ITEMS, 8, None, "rl")
    assert layers(encoder)
    assert "checkpointing on, GradCache on" in caplog.text
    assert "lower encoder.token_budget or rl.batch_size" in caplog.text


@pytest.mark.parametrize("fixed", [True, False])
def test_settings_come_first(
    qwen: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch, fixed: bool
) -> None:
    monkeypatch.setattr(memory, "free_memory", lambda: 10**12 if fixed else 1000)
    encoder = qwen(gradient_checkpointing=fixed)
    assert memory.choose_memory(encoder, ITEMS, 8, 4, "sft")
    assert layers(encoder) == fixed


def test_unknown_memory_or_another_backbone_leaves_it_to_the_settings(
    qwen: Callable[..., Encoder], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not memory.choose_memory(tiny_encoder(), items_of(tiny_examples()), 8, None, "sft")
    assert memory.choose_memory(tiny_encoder(), items_of(tiny_examples()), 8, 3, "sft")
    monkeypatch.setattr(memory, "free_memory", lambda: None)
    encoder = qwen()
    assert not memory.choose_memory(encoder, ITEMS, 8, None, "sft")
    assert not layers(encoder)


def test_a_step_counts_the_longer_half() -> None:
    encoder = tiny_encoder()  # a word is a token
    assert memory.step_tokens(encoder, ITEMS, 10, 1) == 10 * (30 + 40) // 2
    assert memory.step_tokens(encoder, ITEMS, 10, 3) == 117
    assert memory.step_tokens(encoder, [], 10, 1) == 0


def test_the_switch_calls_no_deprecated_name(qwen: Callable[..., Encoder]) -> None:
    encoder = qwen()
    backbone: Any = encoder.backbone
    with warnings.catch_warnings():
        warnings.simplefilter("error", FutureWarning)
        for on in (True, False):
            backbone.checkpoint_layers(on)
            assert layers(encoder) == on
