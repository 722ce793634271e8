"""Packed attention: sequences side by side in one row, each causal in itself, some after a shared prefix.

A sequence sees no other one, except the first columns of its trunk, when it is another end of that trunk's
item. On a GPU in half precision it is one call of variable-length flash attention, elsewhere one call of SDPA
per sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, cached_property, partial
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

PACKED = "uninote_packed"
"""Name of this attention in `transformers`: SDPA, which also takes a `packing`."""

HALF = (torch.float16, torch.bfloat16)


def register_packed_attention() -> None:
    """Make `PACKED` known as an attention implementation. A second call changes nothing."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(PACKED, packed_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(PACKED, sdpa_mask)


class Flat(NamedTuple):
    """Arguments of variable-length attention: cumulative lengths int32 [s + 1] and the longest ones.

    `keys` int64 [k] are the columns of keys and values, sequence after sequence; None: all, in order.
    """

    queries_at: Tensor
    keys_at: Tensor
    longest_query: int
    longest_key: int
    keys: Tensor | None


class Packing:
    """Boundaries of the sequences of one row, read from the device once per forward pass.

    Args:
        sequences: int64 [s, 3], in the order of columns: the length of the sequence, the number of its trunk
            (its own number: it has none), and how many first columns of the trunk it sees.
    """

    def __init__(self, sequences: Tensor) -> None:
        self.device = sequences.device
        self.sequences: list[tuple[int, int, int]] = [tuple(one) for one in sequences.tolist()]  # type: ignore[misc]

    @cached_property
    def masks(self) -> list[Tensor | None]:
        """Mask of each sequence: bool [1, 1, length, reach + length] after a prefix, else None: causal."""
        return [
            torch.ones(1, 1, length, reach + length, dtype=torch.bool, device=self.device).tril(reach)
            if reach
            else None
            for length, _, reach in self.sequences
        ]

    @cached_property
    def flat(self) -> Flat:
        lengths, trunks, reaches = np.array(self.sequences).T
        starts = np.cumsum(lengths) - lengths
        spans = reaches + lengths
        keys = None
        if reaches.any():
            parts = [
                part
                for start, length, trunk, reach in zip(starts, lengths, starts[trunks], reaches, strict=True)
                for part in (np.arange(trunk, trunk + reach), np.arange(start, start + length))
            ]
            keys = torch.from_numpy(np.concatenate(parts)).to(self.device)
        at = [
            torch.from_numpy(np.cumsum([0, *counts], dtype=np.int32)).to(self.device)
            for counts in (lengths, spans)
        ]
        return Flat(at[0], at[1], int(lengths.max()), int(spans.max()), keys)


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    packing: Packing | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Compute attention: query [n, heads, L, d], key and value [n, kv heads, L, d] -> [n, L, heads, d].

    With a `packing` n is 1, and its sequences are all of the row.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    attend = partial(sdpa_attention_forward, module, **options)
    if packing is None:
        out: Tensor = attend(query, key, value, attention_mask)[0]
        return out, None
    half = half_of(query, value)
    if half is not None and not options.get("dropout") and (kernel := varlen_kernel(query.device)):
        q, k, v = (one.to(half) for one in (query, key, value))
        return varlen(kernel, q, k, v, packing.flat, options.get("scaling")), None
    return one_by_one(lambda q, k, v, mask: attend(q, k, v, mask)[0], query, key, value, packing), None


def one_by_one(
    attend: Callable[..., Tensor], query: Tensor, key: Tensor, value: Tensor, packing: Packing
) -> Tensor:
    """Call `attend(query, key, value, mask)` for each sequence: [1, heads, L, d] -> [1, L, heads, d].

    Split in one operation: a slice for each sequence would have a gradient as large as the row.
    """
    lengths = [length for length, _, _ in packing.sequences]
    queries, keys, values = (one.split(lengths, dim=2) for one in (query, key, value))
    found: list[Tensor] = []
    for n, (_, trunk, reach) in enumerate(packing.sequences):
        seen = [keys[n], values[n]]
        if reach:
            seen = [torch.cat([one[trunk][:, :, :reach], one[n]], dim=2) for one in (keys, values)]
        found.append(attend(queries[n], *seen, packing.masks[n]))
    return torch.cat(found, dim=1)


def varlen(
    kernel: Callable[..., Any], query: Tensor, key: Tensor, value: Tensor, flat: Flat, scale: float | None
) -> Tensor:
    """Call a kernel of variable-length attention on the row: [1, heads, L, d] -> [1, L, heads, d]."""
    q, k, v = (one[0].transpose(0, 1) for one in (query, key, value))
    if flat.keys is not None:
        k, v = k.index_select(0, flat.keys), v.index_select(0, flat.keys)
    at = (flat.queries_at, flat.keys_at, flat.longest_query, flat.longest_key)
    out: Tensor = kernel(q, k, v, *at, scale=scale)
    return out[None]


def half_of(query: Tensor, value: Tensor) -> torch.dtype | None:
    """Return the half precision that attention is computed in, None for float32.

    Under autocast rotated queries may be float32, as their angles are.
    """
    if torch.is_autocast_enabled(query.device.type):
        return torch.get_autocast_dtype(query.device.type)
    return query.dtype if query.dtype in HALF else None


@cache
def varlen_kernel(device: torch.device) -> Callable[..., Any] | None:
    """Return causal variable-length attention on `device`, torch's or flash-attn's; None where it has none.

    It takes query [L, heads, d], key and value [K, kv heads, d], the first four fields of `Flat`, and
    `scale`. Where a sequence has more keys than queries, its queries are the last ones.
    """
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (8, 0):
        return None
    parameters: Mapping[str, Any] = {}
    try:
        from torch.nn.attention.varlen import varlen_attn

        parameters = signature(varlen_attn).parameters
    except ImportError:  # before torch 2.10
        pass
    if "enable_gqa" in parameters:
        return partial(varlen_attn, window_size=(-1, 0), enable_gqa=True)
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError:
        return partial(_repeated, varlen_attn) if "window_size" in parameters else None
    return lambda *flat, scale: flash_attn_varlen_func(*flat, softmax_scale=scale, causal=True)


def _repeated(
    kernel: Callable[..., Any], q: Tensor, k: Tensor, v: Tensor, *at: Any, scale: float | None
) -> Any:
    """Call torch's kernel of release 2.11, which has as many heads of keys as of queries."""
    k, v = (one.repeat_interleave(q.shape[1] // one.shape[1], dim=1) for one in (k, v))
    return kernel(q, k, v, *at, scale=scale, window_size=(-1, 0))
