"""Script that `test_distributed` runs under `torchrun`: both stages on the tiny backbone and a tiny Qwen-VL.

It writes losses and weights.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from tests.training.qwen_runs import run_qwen
from tests.training.tiny_backbone import (
    HashedReference,
    items_of,
    tiny_encoder,
    tiny_examples,
)
from transformers import TrainerCallback

from uninote.items import Note, Picture
from uninote.negatives import ReferenceIndex
from uninote.pipeline.train import save_once
from uninote.settings import RlSettings, SftSettings
from uninote.training.gather import Shard
from uninote.training.rl import train_rl
from uninote.training.sft import train_sft

SHORT: dict[str, Any] = {
    "steps": 4,
    "learning_rate": 1e-2,
    "head_learning_rate": 1e-2,
    "warmup_ratio": 0,
    "temperature": 0.1,
    "save_every": 3,
}
SFT = {
    # 7 queries: the two processes do not get the same number of items.
    "batch": SftSettings(batch_size=7, **SHORT),
    "chunks": SftSettings(batch_size=7, chunk_size=3, cluster_size=2, **SHORT),
    "own": SftSettings(batch_size=6, candidates="own", accumulate=3, **SHORT),
}
RL = RlSettings(steps=3, batch_size=3, group_size=6, noise=3, learning_rate=1e-2, save_every=3, chunk_size=4)


class Killed(Exception):
    pass


class Killer(TrainerCallback):  # type: ignore[misc]
    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 3:
            raise Killed


def tiny_notes() -> list[Note]:
    """Make notes of three pictures each, which the tiny backbone reads by their digest and OCR text."""
    made = []
    for n in range(8):
        pictures = tuple(Picture.from_bytes(b"%d-%d" % (n, i), ocr=(f"sale {n} {i}",)) for i in range(3))
        made.append(Note(f"n{n}", f"title {n}", f"first half {n}. second half {n + 3}.", pictures))
    return made


def run_all(folder: Path) -> None:
    """Train every case; the weights of each process are next to the metrics of all."""
    torch.set_num_threads(1)
    examples = tiny_examples()
    index = ReferenceIndex(items_of(examples), HashedReference())
    for name, settings in SFT.items():
        save(train_sft(tiny_encoder(), examples, index, settings, folder / name, seed=1), folder / name)
    cut, settings = folder / "cut", SFT["batch"]
    with suppress(Killed):
        train_sft(tiny_encoder(), examples, index, settings, cut, seed=1, callbacks=[Killer()])
    if Shard.current().world > 1:
        dist.barrier()  # the other process has written its part of the checkpoint
    save(train_sft(tiny_encoder(), examples, index, settings, cut, seed=1), cut)
    ranked = train_rl(tiny_encoder(), tiny_notes(), RL, folder / "rl", seed=1)
    save(ranked, folder / "rl")
    save_once(ranked, folder / "model")
    (folder / f"version-{Shard.current().rank}").write_text(ranked.version)


def save(encoder: Any, folder: Path) -> None:
    weights = {name: p.detach().clone() for name, p in encoder.backbone.named_parameters()}
    save_file(weights, folder / f"weights-{Shard.current().rank}.safetensors")


if __name__ == "__main__":
    run_all(Path(sys.argv[1]))
    run_qwen(Path(sys.argv[1]), Path(sys.argv[2]))
    dist.destroy_process_group()
