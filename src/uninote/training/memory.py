"""Choice of checkpointing and GradCache by the size of the model, of a step and of the device."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch
import torch.distributed as dist

from uninote.encoder import Encoder
from uninote.encoder.capabilities import MeasuresMemory
from uninote.encoder.footprint import Plan, plan_memory
from uninote.items import Item
from uninote.limits import free_memory
from uninote.training.gather import Shard

SAMPLE = 256
"""Items whose lengths stand for all."""

log = logging.getLogger(__name__)


def device_memory(device: torch.device, held: int) -> int | None:
    """Return the bytes of the device that this process has or can get; None if unknown.

    held: bytes of the model, which free memory of a CPU does not contain.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    free_here = free_memory() if device.type == "cpu" else None
    return None if free_here is None else free_here + held


def step_tokens(encoder: Encoder, items: Sequence[Item], encoded: int, world: int) -> int:
    """Estimate the tokens of a process and step: of `encoded` items, as long as the longer half of all."""
    sample = items[:: -(-len(items) // SAMPLE) or 1]
    lengths = sorted((encoder.backbone.cost(item) for item in sample), reverse=True)
    longer = lengths[: -(-len(lengths) // 2)]
    return -(-encoded * sum(longer) // (len(longer) * world)) if longer else 0


def choose_memory(
    encoder: Encoder, items: Sequence[Item], encoded: int, chunk_size: int | None, section: str
) -> bool:
    """Set the checkpointing of the backbone, and return whether passes are computed again (GradCache).

    All processes choose alike: the smallest device decides. Without `MeasuresMemory`, or where the memory is
    not known, only the settings do.

    Args:
        items: those of the training.
        encoded: items that a step encodes, over all processes.
        chunk_size: setting of GradCache; with a size it is on.
        section: name of the settings, for the log.
    """
    backbone = encoder.backbone
    given = None if chunk_size is None else True
    if not isinstance(backbone, MeasuresMemory):
        return given is not None
    fixed, footprint = backbone.checkpointing, backbone.footprint()
    memory = device_memory(encoder.device, footprint.frozen)
    if memory is None:
        backbone.checkpoint_layers(fixed is True)
        return given is not None
    rank, world = Shard.current()
    if world > 1:
        smallest = torch.tensor(memory, device=encoder.device)
        dist.all_reduce(smallest, dist.ReduceOp.MIN)
        memory = int(smallest)
    tokens = step_tokens(encoder, items, encoded, world)
    plan = plan_memory(footprint, tokens, encoder.token_budget, memory, fixed, given)
    backbone.checkpoint_layers(plan.checkpointing)
    if not rank:
        log.log(logging.INFO if plan.fits else logging.WARNING, sentence(plan, tokens, section))
    return plan.recompute


def sentence(plan: Plan, tokens: int, section: str) -> str:
    """Return what was chosen and why, with the way out where it may not fit."""
    ways = [
        f"checkpointing {'on' if plan.checkpointing else 'off'}",
        f"GradCache {'on' if plan.recompute else 'off'}",
    ]
    said = (
        f"memory: {', '.join(ways)}; a step of about {tokens:,} tokens is estimated at "
        f"{plan.peak / 2**30:.1f} of {plan.memory / 2**30:.1f} GiB"
    )
    if plan.fits:
        return said
    return (
        f"{said}, which may be too much: lower encoder.token_budget or {section}.batch_size, or leave "
        f"encoder.gradient_checkpointing and {section}.chunk_size to the automatic choice"
    )
