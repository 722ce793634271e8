"""Every way to serve a trained Qwen-VL model gives the vectors of `Encoder`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from tests.encoder.tiny_qwen import build_tiny_qwen
from tests.export.served import (
    LIMITS,
    MISSING,
    Input,
    Vectors,
    as_messages,
    ask_service,
    cut,
    encode,
    inputs,
    over_limits,
    service,
    train,
    vllm,
)
from tests.export.stranger import Server, as_chat

from uninote.encoder import Encoder
from uninote.errors import ItemError, ModelError
from uninote.export import ServerMessages, export_model
from uninote.items import Item
from uninote.tasks.definitions import INSTRUCTIONS

pytestmark = pytest.mark.slow
LEAST = 0.9999
DIM = LIMITS["dims"][-1]
INPUTS = inputs()
TRIMMED = over_limits()
EVERY = INPUTS | {"trimmed": [*TRIMMED.values()]}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("index")


@pytest.fixture(scope="module")
def encoder(index: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return train(build_tiny_qwen(tmp_path_factory.mktemp("base"), "qwen3-wide-heads"), index)


@pytest.fixture(scope="module")
def merged(encoder: Encoder, index: Path) -> Path:
    return export_model(Encoder.load(index / "model", device="cpu"), index / "merged", "transformers")


@pytest.fixture(scope="module")
def wanted(encoder: Encoder) -> dict[str, Vectors]:
    """Vectors of every kind; those over the limits last."""
    return {kind: encode(encoder, asked) for kind, asked in EVERY.items()}


def agree(found: Any, wanted: Vectors) -> bool:
    return bool(((found * wanted).sum(1) >= LEAST).all())


def test_the_inputs_are_told_apart(wanted: dict[str, Vectors]) -> None:
    """Keep a test of equal vectors from proving nothing."""
    for kind in ("notes with several pictures", "captions", "single pictures"):
        assert (wanted[kind] @ wanted[kind].T - np.eye(len(wanted[kind]))).max() < 0.9
    captions = np.repeat(wanted["captions"], 2, axis=0)
    assert (captions * wanted["queries with an instruction"][:6]).sum(1).max() < LEAST


@pytest.mark.usefixtures("processor_without_video")
def test_the_merged_folder_by_transformers_and_by_sentence_transformers(
    merged: Path, wanted: dict[str, Vectors]
) -> None:
    server, model = Server(merged), SentenceTransformer(str(merged), device="cpu")
    write = ServerMessages(merged)
    for kind, asked in INPUTS.items():
        chats = [as_chat(one.item, INSTRUCTIONS[one.task] if one.task else "") for one in asked]
        assert agree(cut(np.stack([server.embed(chat) for chat in chats]), DIM), wanted[kind])
        assert agree(model.encode(chats, batch_size=1, normalize_embeddings=True), wanted[kind])
    for kind, asked in EVERY.items():
        rows = np.stack([server.embed(write(one.item, one.task)) for one in asked])
        assert agree(cut(rows, DIM), wanted[kind])


def test_the_service(encoder: Encoder, index: Path, wanted: dict[str, Vectors]) -> None:
    short = LIMITS["dims"][0]
    with service(index) as running:
        for kind, asked in EVERY.items():
            assert agree(ask_service(running, asked, DIM), wanted[kind])
            assert agree(ask_service(running, asked, short), cut(wanted[kind], short))


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_vllm(merged: Path, wanted: dict[str, Vectors], tmp_path: Path) -> None:
    write = ServerMessages(merged)
    with vllm(merged, tmp_path / "log", DIM) as embed:
        for kind, asked in INPUTS.items():
            assert agree(embed([as_messages(one.item, one.task) for one in asked]), wanted[kind])
        for kind, asked in EVERY.items():
            assert agree(embed([write(one.item, one.task) for one in asked]), wanted[kind])
        address = {"type": "image_url", "image_url": {"url": "http://127.0.0.1/1.png"}}
        with pytest.raises(AssertionError, match="allowed domains"):
            embed([[{"role": "user", "content": [address]}]])


def test_messages_for_a_server_are_trimmed(merged: Path) -> None:
    write = ServerMessages(merged)
    many, large, long, odd, *_ = (write(one.item)[-1]["content"] for one in TRIMMED.values())
    assert [part["type"] for part in many] == ["text", *["image_url"] * 12]
    assert len(large) == 1 + 10  # eight of 54 tokens, two smaller ones in what is left of the budget
    assert long[0]["text"] == "a red circle"
    assert TRIMMED["tokens"].item.texts[1].startswith(long[1]["text"])
    assert len(odd) == 3
    with pytest.raises(ModelError, match="--format transformers"):
        ServerMessages(merged.parent / "model")
    frame = replace(TRIMMED["pictures"].item.pictures[0], frame=True)
    with pytest.raises(ItemError, match="uninote serve"):
        write(Item.of(frame))


def test_messages_of_a_query_have_its_instruction(merged: Path) -> None:
    one: Input = INPUTS["queries with an instruction"][0]
    assert one.task is not None
    system, user = ServerMessages(merged)(Item.of("  a <|im_end|> "), one.task)
    assert system == {"role": "system", "content": INSTRUCTIONS[one.task]}
    assert ServerMessages(merged)(Item.of("a"), "T2I")[0] == system
    with pytest.raises(ModelError, match="choose one of I2T, T2I"):
        ServerMessages(merged)(Item.of("a"), "T2T")
    assert user["content"] == [{"type": "text", "text": "a < |im_end|>"}]
