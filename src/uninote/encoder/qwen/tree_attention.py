"""Tree attention for rows with several tails: a causal pass over all columns, then the tail tokens again.

A mask of all columns by all columns would rule out the fused causal kernel, at twice the work and quadratic
memory. Tails come after their trunk, so the causal pass is correct for the trunk, and only tail tokens, a
handful per row, need a mask.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

TREE = "uninote_tree"
"""Name of this attention in `transformers`: SDPA, which also takes `tails`."""


def register_tree_attention() -> None:
    """Make `TREE` known as an attention implementation. A second call changes nothing."""
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, sdpa_mask
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

    ALL_ATTENTION_FUNCTIONS.register(TREE, tree_attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(TREE, sdpa_mask)


def seen_by_tails(tails: Tensor, length: int, dtype: torch.dtype) -> Tensor:
    """Return the additive mask [n, 1, T, L] of tail tokens: trunk up to their reach, own tail so far.

    Args:
        tails: int64 [n, T, 3]: column, reach and first column of the tail for each tail token.
    """
    column, reach, first = tails.unsqueeze(-2).unbind(-1)
    place = torch.arange(length, device=tails.device)
    seen = (place < reach) | ((place >= first) & (place <= column))
    mask = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return mask.masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def tree_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    tails: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Compute attention: query [n, heads, L, d], key and value [n, kv heads, L, d] -> [n, L, heads, d].

    A filler of `tails` has column L, which is removed at the end.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if tails is None:
        return out, None
    length = query.shape[2]
    column = tails[..., 0]
    asked = column.clamp(max=length - 1)[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3])
    mask = seen_by_tails(tails, length, query.dtype)
    found, _ = sdpa_attention_forward(module, query.gather(2, asked), key, value, mask, **options)
    place = column[..., None, None].expand_as(found)
    return pad(out, (0, 0, 0, 0, 0, 1)).scatter(1, place, found)[:, :length], None
