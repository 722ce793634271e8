"""Sharding of frozen weights over processes (FSDP2), layer by layer.

With adapters nearly all weights of a model are frozen. Each process keeps its part of them and gathers a
layer when it is needed. The trained weights are few: every process has them whole, and DDP averages their
gradients. Optimizer and checkpoints are therefore those of DDP.

The vision tower is gathered with the root, once a step: no share of a step, with pictures or without, takes
part in more collectives than another.
"""

from __future__ import annotations

import copy
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from uninote.encoder import Encoder
from uninote.encoder.stand_in import standing_in
from uninote.errors import ConfigError
from uninote.training.gather import Shard
from uninote.training.trainer import StageTrainer


def shard_frozen(model: nn.Module, layers: tuple[str, ...], device: torch.device, world: int) -> None:
    """Replace the frozen weights of `model` by their parts in this process.

    Args:
        layers: class names of the modules that are gathered one by one; the other weights are one piece.
    """
    trained = {one for one in model.parameters() if one.requires_grad}
    mesh = init_device_mesh(device.type, (world,))
    for module in [one for one in model.modules() if type(one).__name__ in layers]:
        fully_shard(module, mesh=mesh, ignored_params=trained)
    fully_shard(model, mesh=mesh, ignored_params=trained)
    model._ddp_params_and_buffers_to_ignore = [  # type: ignore[assignment]  # the name that DDP reads
        name for name, one in model.named_parameters() if isinstance(one, DTensor)
    ]


def skeleton(module: nn.Module) -> nn.Module:
    """Return a copy of `module` without storage for its frozen weights, for `gather_whole` to fill."""
    frozen = (one for one in module.parameters() if not one.requires_grad)
    return copy.deepcopy(module, {id(one): nn.Parameter(one.to("meta"), False) for one in frozen})


def gather_whole(sharded: nn.Module, skeleton: nn.Module) -> nn.Module:
    """Return `skeleton` with the weights of a sharded module, whole; every process must call it."""
    gathered: dict[int, nn.Parameter] = {}  # by identity: a weight that two layers share stays one
    state = {}
    for name, tensor in sharded.state_dict(keep_vars=True).items():
        if id(tensor) not in gathered:
            whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
            gathered[id(tensor)] = nn.Parameter(whole.detach(), tensor.requires_grad)
        state[name] = gathered[id(tensor)]
    skeleton.load_state_dict(state, assign=True)
    return skeleton


def fit_whole(trainer: StageTrainer, encoder: Encoder, sharding: str) -> None:
    """Train the encoder's backbone, and leave it whole on every process.

    Raises ConfigError for the FSDP of Accelerate.
    """
    backbone: Any = encoder.backbone
    world = Shard.current().world
    if trainer.is_fsdp_enabled:
        raise ConfigError(
            f"the training was started with FSDP of Accelerate: start it with torchrun, and set "
            f"{trainer.section}.sharding to fsdp"
        )
    with ExitStack() as stack:
        stack.enter_context(standing_in(backbone))
        if sharding == "fsdp" and world > 1:
            empty = skeleton(backbone)
            shard_frozen(trainer.model, tuple(backbone.layer_classes), trainer.args.device, world)
            trainer.fit()
            encoder.backbone = gather_whole(backbone, empty).eval()  # type: ignore[assignment]
        else:
            trainer.fit()
    module: Any = encoder.backbone
    module.to(encoder.device)  # the trainer chooses the device of its process
