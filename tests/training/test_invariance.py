"""Set-ups that must train alike: how a batch is cut, cached, ordered, interrupted or rounded changes nothing.

One process against several is in `test_distributed.py`, a single step for every chunk size in
`test_gradcache.py`, the stages on the compact backbone in `test_sft.py` and `test_rl.py`.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.test_gradcache import EXAMPLES, INDEX, loss_of
from tests.training.tiny_backbone import (
    HashedReference,
    TinyBackbone,
    items_of,
    tiny_encoder,
    tiny_examples,
)
from tests.training.two_processes import Killed, Killer, tiny_notes
from torch.utils.checkpoint import checkpoint

from uninote.encoder import Encoder
from uninote.items import Note
from uninote.negatives import ReferenceIndex, mine_from_index, pair_items
from uninote.settings import EncoderSettings, NegativeSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.pairs import make_pairs
from uninote.training.gradcache import ChunkedEncoder
from uninote.training.rl import train_rl
from uninote.training.sft import SftCollator, train_sft

pytestmark = pytest.mark.slow

Run = tuple[list[dict[str, float]], dict[str, torch.Tensor]]
FAST: dict[str, Any] = {"steps": 5, "learning_rate": 1e-2, "save_every": 3, "temperature": 0.1}


def result(encoder: Encoder, folder: Path) -> Run:
    backbone: Any = encoder.backbone
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return lines, {name: p.detach().clone() for name, p in backbone.named_parameters() if p.requires_grad}


def sft(folder: Path, dropout: float = 0.0, seed: int = 1, callbacks: Any = (), **options: Any) -> Run:
    examples = tiny_examples()
    index = ReferenceIndex(items_of(examples), HashedReference())
    settings = SftSettings.model_validate({**FAST, "head_learning_rate": 1e-2, "batch_size": 8, **options})
    encoder = tiny_encoder(dropout)
    train_sft(encoder, examples, index, settings, folder, seed=seed, callbacks=callbacks)
    return result(encoder, folder)


def rl(folder: Path, dropout: float = 0.0, callbacks: Any = (), **options: Any) -> Run:
    settings = RlSettings.model_validate(
        {**FAST, "batch_size": 3, "group_size": 6, "noise": 3, "policy": "plackett_luce", **options}
    )
    encoder = tiny_encoder(dropout)
    train_rl(encoder, tiny_notes(), settings, folder, seed=1, callbacks=callbacks)
    return result(encoder, folder)


def alike(one: Run, other: Run) -> bool:
    lines = all(a == pytest.approx(b, rel=1e-4, abs=1e-5) for a, b in zip(one[0], other[0], strict=True))
    return lines and all(torch.allclose(one[1][name], other[1][name], atol=1e-5) for name in one[1])


def same_bits(one: Run, other: Run) -> bool:
    return one[0] == other[0] and all(torch.equal(one[1][name], other[1][name]) for name in one[1])


@pytest.mark.parametrize("objective", ["symmetric_kl", "jensen_shannon", "kl", "infonce"])
def test_eight_times_one_equals_one_times_eight(tmp_path: Path, objective: str) -> None:
    """Accumulate over own candidates; those of the batch take GradCache instead (a setting refuses both)."""
    runs = [
        sft(tmp_path / f"{passes}", objective=objective, candidates="own", accumulate=passes)
        for passes in (1, 2, 8)
    ]
    assert alike(runs[0], runs[1])
    assert alike(runs[0], runs[2])


def test_chunked_equals_plain_over_a_whole_training(tmp_path: Path) -> None:
    """Train in chunks, which are sorted by length: order by length also equals the given order."""
    for name, train in (("sft", sft), ("rl", rl)):
        plain = train(tmp_path / name / "plain")
        assert alike(plain, train(tmp_path / name / "three", chunk_size=3))
        assert alike(plain, train(tmp_path / name / "one", chunk_size=1))


@pytest.mark.parametrize(
    ("train", "options"),
    [
        (sft, {"chunk_size": 3}),
        (sft, {"candidates": "own", "accumulate": 4}),
        (rl, {"chunk_size": 4}),
    ],
)
def test_killed_and_resumed_ends_with_the_same_bits(tmp_path: Path, train: Any, options: Any) -> None:
    """Compare all bits, which depend on dropout and, in stage 2, on sampled rankings."""
    whole = train(tmp_path / "whole", dropout=0.3, **options)
    with suppress(Killed):
        train(tmp_path / "cut", dropout=0.3, callbacks=[Killer()], **options)
    assert not (tmp_path / "cut" / "checkpoint-5").exists()
    torch.rand(5)  # another state of the global generator
    assert same_bits(whole, train(tmp_path / "cut", dropout=0.3, **options))


def test_the_seed_decides(tmp_path: Path) -> None:
    first, again, other = (
        sft(tmp_path / name, dropout=0.3, seed=seed) for name, seed in [("a", 1), ("b", 1), ("c", 2)]
    )
    assert same_bits(first, again)
    assert not alike(first, other)


def test_cached_features_equal_computed_ones(notes: list[Note], untrained: Encoder, tmp_path: Path) -> None:
    pairs = make_pairs(notes[:4], Task.I2T)
    index = ReferenceIndex(pair_items(pairs), untrained)
    examples = mine_from_index(pairs, index, NegativeSettings(per_query=1), 0)
    settings = SftSettings(steps=2, batch_size=4, warmup_ratio=0, save_every=5)
    small = EncoderSettings(vision_side=64, max_tokens=256, device="cpu")
    runs = []
    for folder in (None, tmp_path / "features", tmp_path / "features"):  # computed, written, read
        encoder = Encoder.compact(small, feature_folder=folder)
        if folder is not None:
            encoder.backbone.features.fill(p for note in notes[:4] for p in note.pictures)  # type: ignore[attr-defined]
        run = tmp_path / f"run-{len(runs)}"
        train_sft(encoder, examples, index, settings, run)
        runs.append(result(encoder, run))
    assert list((tmp_path / "features").rglob("*.safetensors"))
    assert same_bits(runs[0], runs[1])
    assert same_bits(runs[0], runs[2])


class Checkpointed(TinyBackbone):
    """Gradient checkpointing inside the backbone, as large ones have it."""

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = checkpoint(super().forward, ids, mask, use_reentrant=False)
        return rows


def gradients(backbone: TinyBackbone, chunk_size: int | None, precision: torch.dtype) -> dict[str, Any]:
    torch.manual_seed(5)
    inputs = SftCollator(backbone, EXAMPLES, INDEX, SftSettings(chunk_size=chunk_size))(EXAMPLES)
    with torch.autocast("cpu", precision, enabled=precision is not torch.float32):
        loss = loss_of(ChunkedEncoder(backbone, chunk_size is not None), inputs)
    loss.backward()  # type: ignore[no-untyped-call]
    return {"loss": loss.detach(), **{n: p.grad for n, p in backbone.named_parameters() if p.requires_grad}}


@pytest.mark.parametrize("chunk_size", [None, 3])
def test_gradient_checkpointing_passes_through(chunk_size: int | None) -> None:
    plain = gradients(TinyBackbone(0.3), chunk_size, torch.float32)
    inner = gradients(Checkpointed(0.3), chunk_size, torch.float32)
    assert all(torch.equal(plain[name], inner[name]) for name in plain)


def test_bfloat16_rounds_the_encoder_but_not_the_loss() -> None:
    whole = gradients(TinyBackbone(), None, torch.float32)
    half = gradients(TinyBackbone(), None, torch.bfloat16)
    chunked = gradients(TinyBackbone(), 3, torch.bfloat16)
    assert half["loss"].dtype == torch.float32
    assert half["loss"] == pytest.approx(float(whole["loss"]), rel=0.02)
    assert half["loss"] != whole["loss"]
    assert chunked["loss"] == pytest.approx(float(half["loss"]), rel=1e-5)
    for name in whole:
        scale = float(whole[name].abs().max())
        assert torch.allclose(half[name], whole[name], atol=0.05 * scale)
        assert torch.allclose(chunked[name], half[name], atol=0.01 * scale)
