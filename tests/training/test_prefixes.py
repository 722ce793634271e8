"""Stage 2 on a causal backbone: the nested candidates of a query in one pass equal separate encoding."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.encoder.tiny_qwen import draw_trained

from uninote.corpus.relations.graph import Relations
from uninote.encoder import Encoder, PrefixBackbone
from uninote.items import Note, Picture
from uninote.settings import LoraSettings, RlSettings
from uninote.training.gather import Shard
from uninote.training.gradcache import ChunkedEncoder, encode_sides
from uninote.training.objectives import prefix_cosines
from uninote.training.rl import rl_halves, train_rl
from uninote.training.rl_batches import RlCollator

COLOURS, SHAPES = ("red", "green", "blue", "yellow"), ("circle", "square", "triangle")


@pytest.fixture(scope="module")
def album(shape_picture: Callable[[str, str, int], Picture]) -> list[Note]:
    """Six notes of six pictures: three nested pictures a query, or two."""
    return [
        Note(
            f"n{n}",
            f"note {n}",
            f"The first half of {n}. The second half, longer than the first, of {n}.",
            tuple(shape_picture(COLOURS[(n + i) % 4], SHAPES[i % 3], 15 * n + i) for i in range(6)),
        )
        for n in range(6)
    ]


@pytest.fixture
def qwen(tiny_qwen: Callable[..., Path]) -> Callable[[], Encoder]:
    """Copies of one start, with adapters that already do something."""

    def start() -> Encoder:
        encoder = Encoder.pretrained(tiny_qwen("qwen3", 0), dims=(16, 64), device="cpu", max_tokens=400)
        encoder.backbone.add_lora(2, 4, 0.0)
        draw_trained(encoder.backbone)
        return encoder

    return start


def cosines_and_gradients(
    encoder: Encoder, album: list[Note], relations: Relations | None = None, **options: Any
) -> dict[str, torch.Tensor]:
    backbone: Any = encoder.backbone
    settings = RlSettings.model_validate({"noise": 3, "batch_size": 3, **options})
    halves = rl_halves(album, settings, 0, relations)[:3]
    inputs = RlCollator(backbone, [note.item() for note in album], settings)(list(enumerate(halves)))
    tokens = sum(chunk["ids"].numel() for chunk in inputs["candidates"]["chunks"])
    model = ChunkedEncoder(backbone, settings.chunk_size is not None).train()
    queries, candidates = encode_sides(model, [inputs["queries"], inputs["candidates"]], Shard())
    cosines = prefix_cosines(queries, candidates, 64)
    weights = torch.randn(cosines.shape, generator=torch.Generator().manual_seed(1))
    (cosines * weights).sum().backward()  # type: ignore[no-untyped-call]
    gradients = {n: p.grad for n, p in backbone.named_parameters() if p.requires_grad}
    return {"cosines": cosines.detach(), "tokens": torch.tensor(tokens), **gradients}


@pytest.mark.parametrize("chunk_size", [None, 4])
def test_nested_candidates_in_one_pass_equal_separate_encoding(
    qwen: Callable[[], Encoder], album: list[Note], chunk_size: int | None
) -> None:
    assert isinstance(qwen().backbone, PrefixBackbone)
    apart = cosines_and_gradients(qwen(), album, shared_prefixes=False, chunk_size=1)  # one item at a time
    shared = cosines_and_gradients(qwen(), album, chunk_size=chunk_size)
    assert shared.pop("tokens") < 0.6 * apart.pop("tokens")
    assert apart["cosines"].std() > 0.01
    for name, value in apart.items():
        assert torch.allclose(shared[name], value, atol=1e-4 * max(1.0, float(value.abs().max()))), name
    assert all(bool(value.any()) for value in apart.values())


def test_rankings_of_related_notes_are_no_prefixes_and_equal_in_chunks(
    qwen: Callable[[], Encoder], album: list[Note]
) -> None:
    relations = Relations({(f"n{i}", f"n{j}"): 1.0 + i for i in range(6) for j in range(i + 1, 6)})
    apart = cosines_and_gradients(qwen(), album, relations, shared_prefixes=False)
    for chunk_size in (None, 4):
        shared = cosines_and_gradients(qwen(), album, relations, chunk_size=chunk_size)
        for name in apart.keys() - {"tokens"}:
            limit = 1e-4 * max(1.0, float(apart[name].abs().max()))
            assert torch.allclose(shared[name], apart[name], atol=limit), name


@pytest.mark.slow
def test_training_with_shared_prefixes_goes_the_same_way(
    qwen: Callable[[], Encoder], album: list[Note], tmp_path: Path
) -> None:
    lora = LoraSettings(rank=2, alpha=4)
    logged = []
    for name, options in {"shared": {}, "apart": {"shared_prefixes": False}}.items():
        settings = RlSettings.model_validate(
            {"steps": 2, "batch_size": 3, "group_size": 5, "noise": 2, "temperature": 0.1, "lora": lora}
            | {"learning_rate": 1e-3, **options}
        )
        train_rl(qwen(), album, settings, tmp_path / name)
        lines = (tmp_path / name / "metrics.jsonl").read_text().splitlines()
        logged.append([json.loads(line) for line in lines])
    assert len(logged[0]) == 2
    for mine, theirs in zip(*logged, strict=True):
        assert mine == pytest.approx(theirs, rel=1e-3, abs=1e-4)
