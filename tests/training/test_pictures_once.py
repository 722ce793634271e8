"""Pictures of a step go through the vision tower once: for both sides, all chunks and the anchor."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.encoder.tiny_qwen import draw_trained

from uninote.encoder import Encoder
from uninote.encoder.capabilities import StepBackbone
from uninote.items import Item, Picture
from uninote.training.gather import Shard
from uninote.training.gradcache import ChunkedEncoder, Content, encode_sides, prepare_sides

Build = Callable[..., Encoder]


@pytest.fixture(scope="module")
def build(tiny_qwen: Callable[..., Path]) -> Build:
    """One start, with adapters that do something; those of the tower too when asked for."""

    def start(tower: bool = False) -> Encoder:
        options = {"lora_targets": r".*\.(q_proj|up_proj|qkv|linear_fc1)"} if tower else {}
        encoder = Encoder.pretrained(tiny_qwen(), dims=(64,), device="cpu", max_tokens=300, **options)
        encoder.backbone.add_lora(2, 4, 0.0)
        draw_trained(encoder.backbone)
        return encoder

    return start


@pytest.fixture(scope="module")
def sides(shape_picture: Callable[[str, str, int], Picture]) -> list[Content]:
    a, b, c = (shape_picture(colour, "circle", n) for n, colour in enumerate(("red", "green", "blue")))
    queries = [Item.of(a), Item.of("words alone"), Item.of(b)]
    candidates = [Item.of("one", a, b), Item.of("two", b, c, "end"), Item.of("three"), Item.of("four", c)]
    return [Content(queries, "Find it."), Content(candidates)]


def gradients(encoder: Encoder, sides: list[Content], chunk_size: int | None) -> dict[str, torch.Tensor]:
    backbone: Any = encoder.backbone
    prepared = prepare_sides(backbone, sides, chunk_size)
    queries, candidates = encode_sides(ChunkedEncoder(backbone, chunk_size is not None), prepared, Shard())
    cosines = torch.nn.functional.normalize(queries) @ torch.nn.functional.normalize(candidates).T
    (cosines * torch.arange(12.0).reshape(3, 4)).sum().backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad for name, p in backbone.named_parameters() if p.requires_grad}
    return {"cosines": cosines.detach(), **found}


def counted(backbone: Any, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Record how many pictures every call of the vision tower takes."""
    seen: list[int] = []
    tower = backbone.core.visual.forward

    def forward(hidden: Any, grid_thw: Any, **options: Any) -> Any:
        seen.append(len(grid_thw))
        return tower(hidden, grid_thw, **options)

    monkeypatch.setattr(backbone.core.visual, "forward", forward)
    return seen


@pytest.mark.parametrize("chunk_size", [None, 1, 2])
def test_once_for_all_chunks_and_the_anchor(
    build: Build, sides: list[Content], chunk_size: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone: Any = build().backbone
    assert isinstance(backbone, StepBackbone)
    seen = counted(backbone, monkeypatch)
    model = ChunkedEncoder(backbone, chunk_size is not None)
    prepared = prepare_sides(backbone, sides, chunk_size)
    assert not any("pixels" in chunk for side in prepared for chunk in side["chunks"])
    queries, candidates = encode_sides(model, prepared, Shard())
    (queries.sum() + candidates.sum()).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        again = encode_sides(model, prepared, Shard())
    assert seen == [3]  # a, b and c, in six places
    alone = torch.cat([backbone(**backbone.prepare([item])) for item in sides[1].items])
    assert torch.allclose(candidates, alone, atol=1e-5)
    assert torch.allclose(again[1], candidates, atol=1e-5)


@pytest.mark.parametrize("tower", [False, True])
@pytest.mark.parametrize("chunk_size", [1, 2])
def test_gradients_are_those_of_the_whole_batch(
    build: Build, sides: list[Content], tower: bool, chunk_size: int
) -> None:
    """Include a tower that trains: the chunks' gradients of a picture are summed before its backward pass."""
    whole, chunked = (gradients(build(tower), sides, size) for size in (None, chunk_size))
    assert any("visual" in name for name in whole) == tower
    for name, value in whole.items():
        assert value.any(), name
        assert torch.allclose(chunked[name], value, atol=1e-4 * float(value.abs().max())), name


@pytest.mark.parametrize("tower", [False, True])
def test_sides_prepared_apart_keep_their_own_pictures(
    build: Build, sides: list[Content], tower: bool
) -> None:
    """Take a joint batch of stage 1 next to the rankings of stage 2."""
    backbone: Any = build(tower).backbone
    ranked, joint = prepare_sides(backbone, sides[:1]), prepare_sides(backbone, sides[1:])
    _, together = encode_sides(ChunkedEncoder(backbone), [*ranked, *joint], Shard())
    assert torch.allclose(together, backbone(**backbone.prepare(sides[1].items)), atol=1e-5)


def test_features_of_a_tower_that_trains_are_not_kept(
    build: Build, sides: list[Content], monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone: Any = build(tower=True).backbone
    seen = counted(backbone, monkeypatch)
    side = prepare_sides(backbone, [Content(sides[1].items)], 2)[0]
    with torch.no_grad():
        for _ in range(2):
            encode_sides(ChunkedEncoder(backbone, True), [side], Shard())
    assert seen == [3, 3]
