"""`Encoder`: items in, unit vectors out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from uninote.encoder.batching import token_batches
from uninote.encoder.compact import CompactBackbone
from uninote.encoder.matryoshka import check_dim, truncate_numpy
from uninote.encoder.protocol import Backbone
from uninote.errors import ItemError, ModelError, PictureError
from uninote.items import Item
from uninote.settings import CorpusSettings, EncoderSettings
from uninote.tasks.definitions import INSTRUCTIONS, Task

BACKBONES: dict[str, Callable[..., Backbone]] = {"compact": CompactBackbone.load}


def resolve_device(name: str) -> torch.device:
    """`auto` takes CUDA, then MPS, then the CPU."""
    if name != "auto":
        return torch.device(name)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


class Encoder:
    """One embedding per item; cosine similarity alone retrieves and ranks.

    Attributes:
        backbone: the module that reads items.
        dims: trained Matryoshka dimensions, widest last.
        version: short hash of the weights, stored beside every vector; the seed model is `untrained`.
    """

    def __init__(
        self, backbone: Backbone, settings: EncoderSettings | None = None, version: str = "untrained"
    ) -> None:
        self.backbone = backbone
        self.settings = settings or EncoderSettings()
        self.dims = tuple(sorted({d for d in self.settings.dims if d <= backbone.width}))
        if not self.dims:
            raise ModelError(f"no Matryoshka dimension fits a backbone of width {backbone.width}")
        self.version = version
        self.device = resolve_device(self.settings.device)
        self.backbone.to(self.device)  # type: ignore[attr-defined]

    @property
    def uses_instructions(self) -> bool:
        return self.backbone.uses_instructions

    @classmethod
    def compact(
        cls,
        settings: EncoderSettings | None = None,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        """The untrained compact model: pretrained towers, fresh connector."""
        return cls(CompactBackbone(settings, corpus, feature_folder, seed), settings)

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        dim: int | None = None,
        progress: bool = False,
        failures: dict[int, ItemError] | None = None,
    ) -> NDArray[np.float32]:
        """Unit rows float32 [n, dim] in the order of `items`; an item that appears twice is encoded once.

        Args:
            task: the query-side instruction to use; None for items of the corpus side.
            dim: a trained Matryoshka dimension; None for the widest.
            failures: when given, an item that cannot be embedded gets a NaN row and its error here, by
                position, and the rest goes on; when None the first failure is raised.

        Raises:
            ItemError: an item cannot be read, `failures` being None.
            ModelError: `dim` was not trained.
        """
        dim = check_dim(dim, self.dims)
        instruction = INSTRUCTIONS[task] if task is not None and self.uses_instructions else ""
        first = {item.key: item for item in items}
        unique = list(first.values())
        costs = [self.backbone.cost(item, instruction) for item in unique]
        rows = np.full((len(unique), self.dims[-1]), np.nan, dtype=np.float32)
        broken: dict[str, ItemError] = {}
        with Progress(disable=not progress, transient=True) as bar:
            bar_task = bar.add_task("encoding", total=len(unique))
            for batch in token_batches(costs, self.settings.token_budget):
                good = self._forward([unique[i] for i in batch], instruction, broken, failures is None)
                kept = [i for i in batch if unique[i].key not in broken]
                if kept:
                    rows[kept] = good
                bar.advance(bar_task, len(batch))
        position = {item.key: i for i, item in enumerate(unique)}
        if failures is not None:
            failures |= {n: broken[item.key] for n, item in enumerate(items) if item.key in broken}
        return truncate_numpy(rows, dim)[[position[item.key] for item in items]]

    @torch.inference_mode()
    def _forward(
        self, items: list[Item], instruction: str, broken: dict[str, ItemError], strict: bool
    ) -> NDArray[np.float32]:
        """Vectors of the readable items of one batch; a bad one costs its batch a second preparation."""
        module: Any = self.backbone
        module.eval()
        try:
            inputs = self.backbone.prepare(items, instruction)
        except PictureError as error:
            if len(items) == 1:
                broken[items[0].key] = ItemError(str(error))
                if strict:
                    raise broken[items[0].key] from error
                return np.empty((0, self.dims[-1]), np.float32)
            singles = [self._forward([item], instruction, broken, strict) for item in items]
            return np.concatenate(singles)
        hidden = module(**{name: tensor.to(self.device) for name, tensor in inputs.items()})
        vectors: NDArray[np.float32] = hidden[:, : self.dims[-1]].float().cpu().numpy()
        return vectors

    def save(self, folder: str | Path) -> Path:
        """Write a model folder; `version` becomes the hash of what was written."""
        folder = Path(folder)
        config_file = folder / "uninote.json"
        config_file.unlink(missing_ok=True)  # it vouches for the rest: a half-written folder has none
        self.backbone.save(folder)
        digest = hashlib.sha256()
        for weights in sorted(folder.rglob("*.safetensors")):
            digest.update(weights.read_bytes())
        self.version = digest.hexdigest()[:12]
        config = {"version": self.version, "encoder": self.settings.model_dump()}
        config_file.write_text(json.dumps(config, indent=2))
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        device: str = "auto",
    ) -> Self:
        """Raises ModelError when the folder holds no UniNote model."""
        folder = Path(folder)
        try:
            config = json.loads((folder / "uninote.json").read_text())
            name = json.loads((folder / "backbone.json").read_text())["name"]
            build, version = BACKBONES[name], config["version"]
            settings = EncoderSettings(**{**config["encoder"], "device": device})
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise ModelError(
                f"{folder} is not a saved UniNote model (no readable uninote.json): "
                "train one with `uninote train sft`, or name another folder"
            ) from error
        backbone = build(folder, corpus=corpus, feature_folder=feature_folder)
        return cls(backbone, settings, version)
