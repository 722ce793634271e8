"""Both stages on a tiny Qwen-VL with a trained vision tower, where only one process of two has a picture."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from PIL import Image
from safetensors.torch import save_file
from tests.encoder.tiny_qwen import draw_trained
from tests.training.tiny_backbone import HashedReference, items_of
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from uninote.encoder import Encoder
from uninote.encoder.qwen.settings import LAYERS
from uninote.items import Item, Note, Picture
from uninote.negatives import Example, ReferenceIndex
from uninote.settings import LoraSettings, RlSettings, SftSettings
from uninote.tasks.definitions import Pair, Task
from uninote.tasks.halves import Halves
from uninote.training.gather import Shard
from uninote.training.joint import StageOne
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft

TOWER = LAYERS + r"|.*visual.*\.(qkv|proj|linear_fc1|linear_fc2)"
LORA = LoraSettings(rank=2, alpha=8)
SHORT: dict[str, Any] = {"steps": 3, "learning_rate": 3e-3, "temperature": 0.1, "save_every": 2, "lora": LORA}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "ddp": ({}, {}),
    "fsdp": ({"sharding": "fsdp"}, {}),
    # Chunks of unequal length, both kinds of recomputation.
    "fsdp-chunks": ({"sharding": "fsdp", "chunk_size": 1}, {"gradient_checkpointing": True}),
}
"""Options of the stage and of the encoder; one process runs the first only, as all give one result."""


class Killed(Exception):
    pass


class Killer(TrainerCallback):  # type: ignore[misc]
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 2:
            raise Killed


class Parts(TrainerCallback):  # type: ignore[misc]
    """Callback that writes which share of the frozen weights this process holds when training begins."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / f"share-{Shard.current().rank}"

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        frozen = [one for one in kwargs["model"].parameters() if not one.requires_grad]
        own = sum(one.to_local().numel() if isinstance(one, DTensor) else one.numel() for one in frozen)
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(str(own / sum(one.numel() for one in frozen)))


def picture() -> Picture:
    file = BytesIO()
    Image.radial_gradient("L").resize((96, 64)).convert("RGB").save(file, "PNG")
    return Picture.from_bytes(file.getvalue(), ocr=())


def examples() -> list[Example]:
    """Make the five examples of every step; one positive has a picture, so that one share has none."""
    made = []
    for n in range(5):
        positive = Item.of(f"a note of {n}", *([picture()] if n == 1 else []))
        pair = Pair(Task.T2NOTE, Item.of(f"find {n} " * (1 + n)), positive, f"note{n}", 0)
        made.append(Example(pair, (Item.of(f"not {n}, a longer text " * (1 + n % 3)),), (0.3,), 0.9))
    return made


def rankings() -> list[Halves]:
    """Make three rankings of text notes, one of which has a picture."""
    return [
        Halves(
            Item.of(f"query {n}"),
            (Item.of(f"note {n}, first", *([picture()] if n == 1 else [])), Item.of(f"second {n} " * 3)),
            Task.T2NOTE,
        )
        for n in range(3)
    ]


def start(model: Path, **options: Any) -> Encoder:
    """Return the model with a trained tower and adapters that already do something."""
    options = {"device": "cpu", "dims": (16, 64), "lora_targets": TOWER} | options
    encoder = Encoder.pretrained(model, **options)
    backbone: Any = encoder.backbone
    backbone.add_lora(LORA.rank, LORA.alpha, 0.0)
    draw_trained(encoder.backbone, 0.05)
    return encoder


def stage_one(model: Path, folder: Path, case: str, *callbacks: Any) -> Encoder:
    given, index = examples(), ReferenceIndex(items_of(examples()), HashedReference())
    options, of_encoder = CASES[case]
    settings = SftSettings.model_validate({**SHORT, "batch_size": 5, **options})
    callbacks = (Parts(folder), *callbacks)
    return train_sft(start(model, **of_encoder), given, index, settings, folder, seed=1, callbacks=callbacks)


def stage_two(model: Path, folder: Path, case: str) -> Encoder:
    notes = [Note(f"t{n}", f"noise {n}", "words " * n, ()) for n in range(6)]
    options, of_encoder = CASES[case]
    own = {"batch_size": 3, "group_size": 4, "noise": 3, "near": 0}
    settings = RlSettings.model_validate({**SHORT, **own, **options})
    index = ReferenceIndex(items_of(examples()), HashedReference())
    joint = StageOne(examples(), index, SftSettings(batch_size=5, temperature=0.1))
    encoder = start(model, **of_encoder)
    return train_rl(encoder, notes, settings, folder, seed=1, samples=rankings(), stage_one=joint)


def run_qwen(folder: Path, model: Path) -> None:
    """Train every case; the whole model of each process is next to the metrics of all."""
    two = Shard.current().world > 1
    for case in CASES if two else ["ddp"]:
        keep(stage_one(model, folder / f"sft-{case}", case), folder / f"sft-{case}")
        keep(stage_two(model, folder / f"rl-{case}", case), folder / f"rl-{case}")
    if two:
        cut = folder / "sft-cut"
        with suppress(Killed):
            stage_one(model, cut, "fsdp", Killer())
        dist.barrier()  # the other process has written its part of the checkpoint
        keep(stage_one(model, cut, "fsdp"), cut)


def keep(encoder: Encoder, folder: Path) -> None:
    """Write all weights, and the vector of an item by the trained model."""
    backbone: Any = encoder.backbone
    weights = {name: one.detach().clone() for name, one in backbone.named_parameters()}
    weights["vector"] = torch.from_numpy(encoder.encode([Item.of("a text", picture())]))
    save_file(weights, folder / f"whole-{Shard.current().rank}.safetensors")
