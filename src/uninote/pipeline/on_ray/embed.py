"""Vectors by the cluster: every machine writes its shards into the one folder."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from uninote.encoder import Encoder
from uninote.encoder.saved import saved_dim, saved_version
from uninote.errors import ConfigError
from uninote.pipeline.embed import Entry, Failures, Shard, embed_shard, embed_shards
from uninote.pipeline.embeddings import MANIFEST
from uninote.pipeline.on_ray.actors import over_cluster, resources
from uninote.pipeline.on_ray.shared import require_folders, unseen
from uninote.pipeline.train import load_encoder
from uninote.settings import Settings


def embed_on_cluster(
    model: Path,
    entries: Sequence[Entry],
    folder: Path,
    settings: Settings,
    features: Path | None = None,
    progress: bool = False,
) -> Failures:
    """`embed_entries` over the cluster: the same files, written by the machines that embed them.

    The model is loaded by the actors, not here. Raises ConfigError when a machine does not see the pictures,
    the model or `folder`, or sees another model.
    """
    version = saved_version(model)
    dim = saved_dim(model) or load_encoder(model, settings).dims[-1]

    def run(shards: Sequence[Shard]) -> Iterator[Failures]:
        plan = (folder / MANIFEST).read_text()
        device = settings.encoder.device
        here = settings.encoder.model_copy(update={"device": device.partition(":")[0]})
        work = _Embed(
            model.resolve(),
            settings.model_copy(update={"encoder": here}),
            features.resolve() if features else None,
            plan,
        )
        return over_cluster(work, shards, resources(device))

    return embed_shards(version, dim, entries, folder, run, progress)


@dataclass(frozen=True)
class _Embed:
    model: Path
    settings: Settings
    features: Path | None
    plan: str

    @cached_property
    def encoder(self) -> Encoder:
        if not self.model.is_dir():
            raise unseen(self.model)
        return load_encoder(self.model, self.settings, self.features)

    def __call__(self, shard: Shard) -> Failures:
        manifest = shard.file.with_name(MANIFEST)
        if not manifest.is_file() or json.loads(manifest.read_text()) != json.loads(self.plan):
            raise unseen(shard.file.parent)
        require_folders(picture for entry in shard.entries for picture in entry.item.pictures)
        if self.encoder.version != shard.version:
            raise ConfigError(
                f"{self.model} is version {self.encoder.version} on {socket.gethostname()}, "
                f"{shard.version} elsewhere: give all machines the same model"
            )
        return embed_shard(self.encoder, shard)
