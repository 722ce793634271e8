"""Packed attention against attention by one mask of all columns; its flash form with a plain kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from uninote.encoder.qwen import packed_attention as packed
from uninote.encoder.qwen.packed_attention import Packing, one_by_one, varlen

HEADS, KV, WIDTH = 4, 2, 8
SEQUENCES = [[5, 0, 0], [2, 0, 3], [1, 0, 1], [4, 3, 0], [6, 4, 0], [2, 4, 5], [1, 6, 0]]
"""Two items with two ends and one more, and two without."""


def drawn(sequences: list[list[int]]) -> list[Tensor]:
    torch.manual_seed(0)
    length = sum(one[0] for one in sequences)
    return [torch.randn(1, heads, length, WIDTH, requires_grad=True) for heads in (HEADS, KV, KV)]


def seen(sequences: list[list[int]]) -> Tensor:
    """Return who sees whom, bool [L, L], column by column."""
    owner = [number for number, (length, _, _) in enumerate(sequences) for _ in range(length)]
    starts = [owner.index(number) for number in range(len(sequences))]
    mask = torch.zeros(len(owner), len(owner), dtype=torch.bool)
    for asking, own in enumerate(owner):
        _, trunk, reach = sequences[own]
        for asked, other in enumerate(owner):
            mask[asking, asked] = (other == own and asked <= asking) or (
                other == trunk != own and asked - starts[trunk] < reach
            )
    return mask


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    found = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, mask, is_causal=mask is None, enable_gqa=True
    )
    return found.transpose(1, 2)


def plain_kernel(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    at_q: Tensor,
    at_k: Tensor,
    most_q: int,
    most_k: int,
    scale: Any,
) -> Tensor:
    """Compute variable-length attention as flash attention defines it: causal, aligned at the lower right."""
    assert at_q.dtype == at_k.dtype == torch.int32
    found = []
    for n in range(len(at_q) - 1):
        q, k, v = query[at_q[n] : at_q[n + 1]], key[at_k[n] : at_k[n + 1]], value[at_k[n] : at_k[n + 1]]
        assert len(q) <= most_q
        assert len(q) <= len(k) <= most_k
        k, v = (one.repeat_interleave(HEADS // KV, 1) for one in (k, v))
        scores = torch.einsum("qhd,khd->hqk", q, k) * (scale or WIDTH**-0.5)
        later = torch.ones(len(q), len(k), dtype=torch.bool).triu(len(k) - len(q) + 1)
        found.append(torch.einsum("hqk,khd->qhd", scores.masked_fill(later, -torch.inf).softmax(-1), v))
    assert int(at_q[-1]) == len(query)
    assert int(at_k[-1]) == len(key)
    return torch.cat(found)


def test_boundaries() -> None:
    packing = Packing(torch.tensor([[4, 0, 0], [2, 0, 3], [3, 2, 0]]))
    first, second, third = packing.masks
    assert first is third is None
    assert second is not None
    assert second[0, 0].int().tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 1]]
    flat = packing.flat
    assert flat.queries_at.tolist() == [0, 4, 6, 9]
    assert flat.keys_at.tolist() == [0, 4, 9, 12]
    assert (flat.longest_query, flat.longest_key) == (4, 5)
    assert flat.keys is not None
    assert flat.keys.tolist() == [0, 1, 2, 3, 0, 1, 2, 4, 5, 6, 7, 8]
    assert Packing(torch.tensor([[4, 0, 0], [3, 1, 0]])).flat.keys is None


@pytest.mark.parametrize("sequences", [SEQUENCES, [[3, 0, 0]], [[3, 0, 0], [2, 1, 0]]])
@pytest.mark.parametrize("form", ["one by one", "flat"])
def test_both_forms_equal_one_mask_of_all_columns(sequences: list[list[int]], form: str) -> None:
    packing = Packing(torch.tensor(sequences))
    weights = torch.randn(1, sum(one[0] for one in sequences), HEADS, WIDTH)
    found = []
    for run in (
        lambda q, k, v: attend(q, k, v, seen(sequences)),
        (lambda q, k, v: one_by_one(attend, q, k, v, packing))
        if form == "one by one"
        else (lambda q, k, v: varlen(plain_kernel, q, k, v, packing.flat, None)),
    ):
        inputs = drawn(sequences)
        out = run(*inputs)
        (out * weights).sum().backward()
        found.append([out, *(one.grad for one in inputs)])
    for ours, theirs in zip(*reversed(found), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_half_precision_takes_the_flash_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the kernel under autocast and in half precision, where rotated queries may be float32."""
    types: list[torch.dtype] = []

    def kernel(*flat: Any, scale: float | None) -> Tensor:
        types.extend(one.dtype for one in flat[:3])
        return plain_kernel(*(one.float() for one in flat[:3]), *flat[3:], scale=scale).to(flat[0].dtype)

    chosen: Callable[..., Any] = lambda device: kernel  # noqa: E731
    monkeypatch.setattr(packed, "varlen_kernel", chosen)
    module = SimpleNamespace(num_key_value_groups=HEADS // KV, is_causal=True)
    packing, (query, key, value) = Packing(torch.tensor(SEQUENCES)), drawn(SEQUENCES)
    expected, _ = packed.packed_attention(module, query, key, value, None, packing)
    assert types == []  # float32
    with torch.autocast("cpu", torch.bfloat16):
        found, _ = packed.packed_attention(module, query, key, value.bfloat16(), None, packing)
    assert types == [torch.bfloat16] * 3
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found.float(), expected, atol=0.05)
    half = (one.bfloat16() for one in (query, key, value))
    assert packed.packed_attention(module, *half, None, packing)[0].dtype == torch.bfloat16
    assert len(types) == 6


def test_no_flash_kernel_on_a_cpu_or_an_old_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    assert packed.varlen_kernel(torch.device("cpu")) is None
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert packed.varlen_kernel(torch.device("cuda:1")) is None


def test_torch_s_kernel_takes_the_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Call its form for shapes alone, forward and back: without a GPU there are no values."""
    pytest.importorskip("torch.nn.attention.varlen")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    kernel = packed.varlen_kernel(torch.device("cuda:2"))
    assert kernel is not None
    inputs = [one.detach().to("meta", torch.bfloat16).requires_grad_() for one in drawn(SEQUENCES)]
    flat = Packing(torch.tensor(SEQUENCES)).flat
    assert flat.keys is not None
    flat = flat._replace(
        keys=flat.keys.to("meta"), queries_at=flat.queries_at.to("meta"), keys_at=flat.keys_at.to("meta")
    )
    out = varlen(kernel, *inputs, flat, 0.3)  # type: ignore[arg-type, call-arg, misc]
    assert out.shape == (1, 21, HEADS, WIDTH)
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert [one.grad is not None and one.grad.shape == one.shape for one in inputs] == [True] * 3


def test_a_kernel_without_grouped_heads_gets_repeated_ones() -> None:
    def ungrouped(q: Tensor, k: Tensor, v: Tensor, *at: Any, scale: Any, window_size: Any) -> Tensor:
        assert (q.shape[1], k.shape[1], v.shape[1], window_size) == (HEADS, HEADS, HEADS, (-1, 0))
        return plain_kernel(q, k[:, :: HEADS // KV], v[:, :: HEADS // KV], *at, scale=scale)

    query, key, value = drawn(SEQUENCES)
    flat = Packing(torch.tensor(SEQUENCES)).flat
    expected = varlen(plain_kernel, query, key, value, flat, None)
    found = varlen(partial(packed._repeated, ungrouped), query, key, value, flat, None)
    assert torch.allclose(found, expected, atol=1e-6)
