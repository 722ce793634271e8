"""Embedding on the cluster: every machine writes its shards into one shared folder."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from uninote.encoder import Encoder
from uninote.encoder.changes import changes_to, varying, versioned
from uninote.encoder.loading import load_options
from uninote.encoder.saved import Saved
from uninote.errors import ConfigError
from uninote.pipeline.embed import Entry, Failures, Shard, embed_shard, embed_shards
from uninote.pipeline.embeddings import MANIFEST
from uninote.pipeline.on_ray.actors import over_cluster, resources
from uninote.pipeline.on_ray.shared import require_folders, unseen
from uninote.settings import CorpusSettings, Settings


def embed_on_cluster(
    model: Path,
    entries: Sequence[Entry],
    folder: Path,
    settings: Settings,
    features: Path | None = None,
    progress: bool = False,
) -> Failures:
    """Run `embed_entries` on the cluster: the same files, written by the machines that embed them.

    The actors load the model, not this process. Raises ConfigError when a machine does not see the pictures,
    the model or `folder`, or sees another model.
    """
    device = settings.encoder.device
    saved = Saved(model)
    options = load_options(saved, settings.encoder)
    changes = changes_to(saved, {name: options[name] for name in options.keys() - {"base"}})
    options["device"] = device.partition(":")[0]  # an actor sees only its own GPU
    dims = changes.get("dims", saved.dims) or Encoder.load(model).dims

    def run(shards: Sequence[Shard]) -> Iterator[Failures]:
        work = _Embed(
            model.resolve(),
            settings.corpus,
            options,
            features.resolve() if features else None,
            (folder / MANIFEST).read_text(),
        )
        return over_cluster(work, shards, resources(device))

    version, kept = versioned(saved.version, changes), varying(changes)
    return embed_shards(version, dims[-1], entries, folder, run, progress, kept)


@dataclass(frozen=True)
class _Embed:
    model: Path
    corpus: CorpusSettings
    options: dict[str, Any]
    features: Path | None
    plan: str

    @cached_property
    def encoder(self) -> Encoder:
        if not self.model.is_dir():
            raise unseen(self.model)
        return Encoder.load(self.model, corpus=self.corpus, feature_folder=self.features, **self.options)

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
