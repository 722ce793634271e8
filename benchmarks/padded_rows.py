"""Padded batches of Qwen-VL, the way before packing: rows padded on the right, prefixes by tree attention.

The other side of `packing.py`. A causal pass covers all columns; tokens of further ends, which need a mask,
then attend again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from uninote import Item
from uninote.encoder.protocol import Inputs
from uninote.encoder.qwen.backbone import QwenVLBackbone


class PaddedBackbone(QwenVLBackbone):
    """Backbone with padded rows. Its batches are counted as such, by count x longest."""

    preparing = False
    tails: torch.Tensor | None = None

    @property
    def packs(self) -> bool:
        return self.preparing

    def prepare_step(
        self, chunks: Sequence[tuple[Sequence[Sequence[Item]], str]]
    ) -> tuple[list[Inputs], Inputs]:
        self.preparing = True
        batches, shared = super().prepare_step(chunks)
        self.preparing = False
        return [padded(batch) for batch in batches], shared

    def forward(self, tails: torch.Tensor | None = None, **inputs: torch.Tensor) -> torch.Tensor:
        self.tails = tails
        name = f"padded-{id(self)}"
        ALL_ATTENTION_FUNCTIONS.register(name, self.attend)
        self.core.language_model.config._attn_implementation = name
        last = self.core.language_model.layers[-1]
        hook = last.register_forward_pre_hook(self.seen, with_kwargs=True)
        found = super().forward(**inputs)
        hook.remove()
        return found

    def seen(self, layer: Any, args: Any, options: dict[str, Any]) -> None:
        """Hide from read-outs of further ends what is between their prefix and them, in the last layer."""
        if self.tails is None:
            return
        row, column = options["readout"].unbind(-1)
        here, reach, first = self.tails[row].unbind(-1)
        own, length = here == column[:, None], args[0].shape[1]
        reach, first = ((one * own).amax(1, keepdim=True) for one in (reach, first))
        place = torch.arange(options["seen"].shape[1]) % length
        options["seen"] &= (place < reach) | (place >= first)

    def attend(
        self, module: Any, query: Any, key: Any, value: Any, mask: Any, **options: Any
    ) -> tuple[torch.Tensor, None]:
        out, _ = sdpa_attention_forward(module, query, key, value, None, **options)
        if self.tails is None:
            return out, None
        length, (column, reach, first) = query.shape[2], self.tails.unbind(-1)
        asked = column.clamp(max=length - 1)[:, None, :, None].expand(-1, query.shape[1], -1, query.shape[3])
        place = torch.arange(length)
        seen = (place < reach[..., None]) | ((place >= first[..., None]) & (place <= column[..., None]))
        mask = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min)[:, None]
        found, _ = sdpa_attention_forward(module, query.gather(2, asked), key, value, mask, **options)
        at = column[..., None, None].expand_as(found)
        return pad(out, (0, 0, 0, 0, 0, 1)).scatter(1, at, found)[:, :length], None


def padded(batch: Inputs) -> Inputs:
    """Return a packed batch with a row for each trunk: ids, slots [n, L], positions [n, L, 3], readout.

    `tails` int64 [n, T, 3], where a row has more than one end: column, reach and first column of the tokens
    of its further ends, column L for a filler.
    """
    sequences = batch["sequences"].tolist()
    trunks = [number for number, (_, trunk, _) in enumerate(sequences) if trunk == number]
    lengths = [sum(length for length, trunk, _ in sequences if trunk == number) for number in trunks]
    longest = max(lengths)
    starts = torch.tensor([0, *lengths]).cumsum(0)
    rows: Inputs = {
        name: torch.nn.utils.rnn.pad_sequence(
            list(batch[name][0].split(lengths)), batch_first=True, padding_value=fill
        )
        for name, fill in (("ids", 0), ("slots", -1), ("positions", 0))
    }
    column = batch["readout"][:, 1].contiguous()
    row = torch.searchsorted(starts, column, right=True) - 1
    rows["readout"] = torch.stack([row, column - starts[row]], 1)
    tails = []
    for number in trunks:
        at = sequences[number][0]
        found = []
        for length, trunk, reach in sequences[number + 1 :]:
            if trunk == number:
                found += [(at + n, reach, at) for n in range(length)]
                at += length
        tails.append(found)
    most = max(map(len, tails))
    if most:
        rows["tails"] = torch.tensor([one + [(longest, 1, longest)] * (most - len(one)) for one in tails])
    return rows
