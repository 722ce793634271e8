"""GradCache equals the plain path, loss and gradients, for every chunk size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tests.training.tiny_backbone import HashedReference, TinyBackbone, items_of, tiny_examples

from uninote.encoder.protocol import Inputs
from uninote.items import Item
from uninote.negatives import ReferenceIndex
from uninote.settings import SftSettings
from uninote.tasks.definitions import Task
from uninote.training.gather import Shard
from uninote.training.gradcache import ChunkedEncoder, Content, encode_sides, prepare_sides
from uninote.training.objectives import OBJECTIVES, matryoshka_loss
from uninote.training.sft import SftCollator

EXAMPLES = [e for e in tiny_examples() if e.pair.task is Task.T2I]
INDEX = ReferenceIndex(items_of(EXAMPLES), HashedReference())


def loss_of(model: ChunkedEncoder, inputs: dict[str, Any]) -> torch.Tensor:
    queries, candidates = encode_sides(model, [inputs["queries"], inputs["candidates"]], Shard())
    return matryoshka_loss(
        OBJECTIVES["symmetric_kl"],
        queries,
        candidates,
        inputs["labels"],
        inputs["mask"],
        dims=(8, 16),
        temperature=0.1,
        positive=inputs["positive"],
    )


def step(
    backbone: TinyBackbone, chunk_size: int | None, recompute: bool = True, token_budget: int | None = None
) -> dict[str, torch.Tensor]:
    """Return the loss and the gradients of one batch, dropout seeded."""
    torch.manual_seed(5)
    settings = SftSettings(chunk_size=chunk_size)
    inputs = SftCollator(backbone, EXAMPLES, INDEX, settings, token_budget=token_budget)(EXAMPLES)
    loss = loss_of(ChunkedEncoder(backbone, recompute and chunk_size is not None), inputs)
    loss.backward()  # type: ignore[no-untyped-call]
    found = {name: p.grad.clone() for name, p in backbone.named_parameters() if p.grad is not None}
    return {"loss": loss.detach(), **found}


@pytest.mark.parametrize("chunk_size", [1, 3, 4, 11, 1000])
def test_loss_and_gradients_equal_the_plain_path(chunk_size: int) -> None:
    plain, chunked = step(TinyBackbone(), None), step(TinyBackbone(), chunk_size)
    assert plain.keys() == chunked.keys()
    assert len(plain) == 5
    assert all(torch.allclose(plain[name], chunked[name], rtol=1e-5, atol=1e-6) for name in plain)
    assert all(bool(value.abs().max() > 1e-3) for value in plain.values())


@pytest.mark.parametrize(("chunk_size", "token_budget"), [(None, 1), (None, 30), (3, 30), (None, 10_000)])
def test_passes_within_a_token_budget_change_nothing(chunk_size: int | None, token_budget: int) -> None:
    backbone = TinyBackbone()
    plain = step(TinyBackbone(), None)
    cut = step(backbone, chunk_size, token_budget=token_budget)
    assert all(torch.allclose(plain[name], cut[name], rtol=1e-5, atol=1e-6) for name in plain)
    assert (len(backbone.seen) > 2) is (token_budget < 10_000)


@pytest.mark.parametrize("token_budget", [1, 9, 20])
def test_every_process_makes_as_many_passes(token_budget: int) -> None:
    items = [Item.of("w " * n) for n in (9, 1, 4, 4, 7, 2, 1)]
    shares = [
        prepare_sides(TinyBackbone(), [Content(items)], None, Shard(rank, 3), token_budget)
        for rank in range(3)
    ]
    chunks = [[chunk["ids"].shape for chunk in sides[0]["chunks"]] for sides in shares]
    assert len({len(own) for own in chunks}) == 1
    assert all(rows * length <= token_budget or rows == 1 for own in chunks for rows, length in own)


@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
def test_dropout_is_the_same_when_a_chunk_is_encoded_again(chunk_size: int) -> None:
    """Compare with the same chunks without recomputation, which draw the same masks once."""
    kept = step(TinyBackbone(0.5), chunk_size, recompute=False)
    cached = step(TinyBackbone(0.5), chunk_size)
    assert all(torch.equal(kept[name], cached[name]) for name in kept)
    other = step(TinyBackbone(), chunk_size)
    assert not torch.allclose(other["loss"], cached["loss"])


def test_every_item_once_and_all_chunks_but_the_last_again() -> None:
    backbone = TinyBackbone()
    step(backbone, 4)
    queries, candidates = [4, 4, 3], [4, 4, 4, 4, 4, 2]
    assert backbone.seen[:9] == queries + candidates
    assert sorted(backbone.seen[9:]) == sorted(queries + candidates[:-1])
    plain = TinyBackbone()
    step(plain, None)
    assert plain.seen == [11, 22]


def test_activations_of_one_chunk_at_a_time() -> None:
    """Count the tensors that the graph saves in the forward pass."""
    held = {}
    for chunk_size in (None, 2):
        backbone = TinyBackbone()
        inputs = SftCollator(backbone, EXAMPLES, INDEX, SftSettings(chunk_size=chunk_size))(EXAMPLES)
        rows: list[int] = []

        def pack(tensor: torch.Tensor, rows: list[int] = rows) -> torch.Tensor:
            rows.append(len(tensor) if tensor.ndim == 2 and tensor.shape[1] == 24 else 0)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            ChunkedEncoder(backbone, chunk_size is not None)([inputs["queries"], inputs["candidates"]])
        held[chunk_size] = sum(rows)
    assert held[2] * 10 < held[None]


def test_without_gradients_nothing_is_recomputed() -> None:
    backbone = TinyBackbone()
    with torch.no_grad():
        ChunkedEncoder(backbone, True)([prepare_sides(backbone, [Content(items_of(EXAMPLES))], 5)[0]])
    assert sum(backbone.seen) == len({item.key for item in items_of(EXAMPLES)})


def test_equal_items_are_encoded_once_and_chunks_hold_similar_lengths() -> None:
    backbone = TinyBackbone()
    items = [Item.of(text) for text in ("a", "b b b b", "a", "c c c", "d", "e e e")]
    side = prepare_sides(backbone, [Content(items)], 2)[0]
    assert [chunk["ids"].shape for chunk in side["chunks"]] == [(2, 4), (2, 3), (1, 1)]
    (rows,) = encode_sides(ChunkedEncoder(backbone), [side], Shard())
    one_by_one = torch.cat([backbone(**backbone.prepare([item])) for item in items])
    assert torch.allclose(rows, one_by_one, atol=1e-6)


def test_chunks_of_a_packing_backbone_are_filled_by_the_sum_of_tokens() -> None:
    class Packed(TinyBackbone):
        packs = True

    items = [Item.of(text) for text in ("a", "b b b b", "c c c", "e e")]
    for kind, sizes in ((Packed, [2, 2]), (TinyBackbone, [1, 2, 1])):
        (side,) = prepare_sides(kind(), [Content(items)], token_budget=7)
        assert [len(chunk["ids"]) for chunk in side["chunks"]] == sizes


@pytest.mark.parametrize("sizes", [[1], [2, 1], [1, 1, 1], [3, 1, 2, 1, 1], [1] * 8])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_dealt_rows_are_found_again(sizes: list[int], world: int) -> None:
    """Deal units of several rows (prefix chains) whole; every process gets equally many units and rows."""
    order = torch.randperm(len(sizes), generator=torch.Generator().manual_seed(len(sizes))).tolist()
    starts, height = Shard(0, world).layout(order, sizes)
    hands = [Shard(rank, world).share(order) for rank in range(world)]
    assert len({len(hand) for hand in hands}) == 1
    gathered = []
    for hand in hands:
        rows = [(unit, place) for unit in hand for place in range(sizes[unit])]
        gathered += rows + [(-1, -1)] * (height - len(rows))
    for unit, size in enumerate(sizes):
        assert gathered[starts[unit] : starts[unit] + size] == [(unit, place) for place in range(size)]
    assert sum(map(len, hands)) < len(sizes) + world


class TinyPrefixes(TinyBackbone):
    """Chains in the form that the protocol asks for, encoded separately."""

    def prepare_prefixes(self, chains: Sequence[Sequence[Item]], instruction: str = "") -> Inputs:
        self.chains = [[" ".join(item.texts) for item in chain] for chain in chains]
        return self.prepare([item for chain in chains for item in chain], instruction)


@pytest.mark.parametrize("chunk_size", [None, 1, 4])
def test_chains_are_prepared_whole_and_read_out_item_by_item(chunk_size: int | None) -> None:
    backbone = TinyPrefixes()
    long, middle, short, other = (Item.of(text) for text in ("a b c", "a b", "a", "x y"))
    chains = [[long, middle, short], [other], [long, middle, short]]
    items = [short, other, long, middle]
    side = prepare_sides(backbone, [Content(items, chains=chains)], chunk_size)[0]
    assert len(side["chunks"]) == (1 if chunk_size is None else 2)
    assert backbone.chains == ([["a b c", "a b", "a"], ["x y"]] if chunk_size is None else [["x y"]])
    (rows,) = encode_sides(ChunkedEncoder(backbone), [side], Shard())
    assert torch.allclose(rows, backbone(**backbone.prepare(items)), atol=1e-6)
