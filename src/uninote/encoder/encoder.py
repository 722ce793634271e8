"""Encoder: items in, unit vectors out."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from uninote.encoder.bad_rows import bad_rows, named
from uninote.encoder.batching import token_batches
from uninote.encoder.capabilities import Pretrained, Reads, packs
from uninote.encoder.changes import changes_to, varying, versioned
from uninote.encoder.device import resolve_device
from uninote.encoder.matryoshka import check_dim, truncate_numpy
from uninote.encoder.memory import Memory
from uninote.encoder.protocol import Backbone, Inputs, LoadOptions
from uninote.encoder.registry import backbone_class
from uninote.encoder.saved import FILE, Saved, weights_version, write_saved
from uninote.encoder.threads import Threads, ahead
from uninote.errors import ItemError, ModelError, PictureError, item_error
from uninote.items import Item
from uninote.limits import cores
from uninote.progress import show_progress
from uninote.settings import CorpusSettings, EncoderSettings, encoder_class
from uninote.shipped import COMPACT, model_folder
from uninote.tasks.definitions import INSTRUCTIONS, Task

CPU_TOKENS = 2048
"""Largest token budget of a large model on a CPU: more leave its cache; 16,384 took twice as long."""
AHEAD = 2
"""Batches that are made, or wait, while the model runs one."""


class Encoder:
    """Encoder with one embedding per item; cosine similarity alone retrieves and ranks.

    Attributes:
        backbone: module that maps items to read-outs.
        dims: trained Matryoshka dimensions, widest last.
        version: short hash of the weights, stored with every vector; the seed model is `untrained`.
        changes: options that it was loaded with in place of those saved, and that change its vectors.
        memory: cache of vectors of earlier items, of size `settings.remember`; 0 switches it off.
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
        self.changes: dict[str, Any] = {}
        self.memory = Memory(self.settings.remember)
        self.preparing = Threads(AHEAD, "prepare")
        self.device = resolve_device(self.settings.device)
        self.backbone.to(self.device)  # type: ignore[attr-defined]

    @property
    def token_budget(self) -> int:
        """Tokens of one batch, padding included where the backbone pads."""
        most = self.settings.token_budget
        return min(most, CPU_TOKENS) if self.device.type == "cpu" and self.backbone.causal else most

    @property
    def uses_instructions(self) -> bool:
        return self.backbone.uses_instructions

    @classmethod
    def build(
        cls,
        settings: EncoderSettings,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        """Build the start model of the backbone that the settings belong to.

        Raises ModelError when its pretrained weights cannot be loaded, ConfigError for an option of another
        backbone.
        """
        settings.require_own()
        backbone = backbone_class(type(settings)).start(settings, corpus, feature_folder, seed)
        version = backbone.fingerprint[:12] if isinstance(backbone, Pretrained) else "untrained"
        return cls(backbone, settings, version)

    @classmethod
    def compact(
        cls,
        settings: EncoderSettings | None = None,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        seed: int = 0,
    ) -> Self:
        """Return the untrained compact model: pretrained towers, fresh aggregator."""
        own = encoder_class(COMPACT)
        chosen = settings.model_dump(exclude={"backbone"}, exclude_unset=True) if settings else {}
        return cls.build(own(**own.only(chosen)), corpus, feature_folder, seed)

    @classmethod
    def pretrained(
        cls,
        model: str | Path,
        settings: EncoderSettings | None = None,
        corpus: CorpusSettings | None = None,
        **options: Any,
    ) -> Self:
        """Return a model of the Qwen-VL family from a folder or a hub id, ready to encode or to train on.

        `options` are fields of `QwenSettings`, used when `settings` is not given. Raises ModelError when the
        model cannot be loaded.
        """
        chosen = settings.model_dump(exclude={"backbone"}, exclude_unset=True) if settings else options
        return cls.build(EncoderSettings.model_validate({**chosen, "model": str(model)}), corpus)

    def encode(
        self,
        items: Sequence[Item],
        *,
        task: Task | None = None,
        instruction: str = "",
        dim: int | None = None,
        progress: bool = False,
        failures: dict[int, ItemError] | None = None,
    ) -> NDArray[np.float32]:
        """Return unit rows float32 [n, dim] in the order of `items`; one that appears twice is encoded once.

        Args:
            task: the query-side instruction to use; None for items of the corpus side.
            instruction: text of an instruction of no `Task`, in place of that of `task`.
            dim: a trained Matryoshka dimension; None for the widest.
            failures: when given, an item that cannot be embedded gets a NaN row and its error here, by
                position, and the rest continues; when None the first failure is raised. An item whose vector
                has NaN, infinite values or no direction cannot be embedded.

        Raises:
            ItemError: an item cannot be embedded, `failures` being None; it names the item.
            ModelError: `dim` was not trained.
        """
        dim = check_dim(dim, self.dims)
        if task is not None and not instruction:
            instruction = INSTRUCTIONS[task]
        if not self.uses_instructions:
            instruction = ""
        read = self.read(items)
        unread = {n: item for n, item in enumerate(read) if isinstance(item, ItemError)}
        if unread and failures is None:
            raise named(items, *min(unread.items()))
        keys = [item.key if isinstance(item, Item) else "" for item in read]
        unique = {item.key: item for item in read if isinstance(item, Item)}
        position = {key: n for n, key in enumerate(unique)}
        rows = np.full((len(unique), self.dims[-1]), np.nan, dtype=np.float32)
        module: Any = self.backbone
        todo = self.memory.recall(module, unique, instruction, rows)
        costs = [self.backbone.cost(item, instruction) for item in todo]
        packed = packs(self.backbone)
        batches = [
            [todo[n] for n in batch] for batch in token_batches(costs, self.token_budget, packed=packed)
        ]
        broken: dict[str, ItemError] = {}
        module.eval()
        with (
            show_progress("encoding", len(todo), show=progress, transient=True) as bar,
            closing(self._prepared(batches, instruction)) as prepared,
        ):
            for batch, inputs in prepared:
                for item, vector in self._vectors(batch, inputs, instruction, broken):
                    rows[position[item.key]] = vector
                    if self.memory.size:
                        self.memory.put((item.key, instruction), vector)
                if broken and failures is None:
                    raise named(items, *next((n, broken[key]) for n, key in enumerate(keys) if key in broken))
                bar.advance(len(batch))
        cut = truncate_numpy(rows, dim)
        names = list(unique)  # a prefix may have no direction where the whole vector has one
        broken = {names[n]: error for n, error in bad_rows(cut).items()} | broken
        bad = unread | {n: broken[key] for n, key in enumerate(keys) if key in broken}
        if bad and failures is None:
            raise named(items, *min(bad.items()))
        if failures is not None:
            failures |= bad
        good = [n for n in range(len(items)) if n not in bad]
        found = np.full((len(items), dim), np.nan, dtype=np.float32)
        found[good] = cut[[position[keys[n]] for n in good]]
        return found

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]:
        """Return the items as the model takes them, where it `Reads`.

        `encode` does so itself. Items that were read stay as they are. In place of an item that cannot be
        read there is its error.
        """
        return self.backbone.read(items) if isinstance(self.backbone, Reads) else list(items)

    def _prepared(
        self, batches: Sequence[list[Item]], instruction: str
    ) -> Generator[tuple[list[Item], Inputs | PictureError]]:
        """Yield batches with their inputs, or the error of a bad picture among them.

        While the model runs, the next `AHEAD` batches are decoded, tokenised and pinned, unless model and
        decoding would compete for the same cores.
        """

        def prepare(batch: list[Item]) -> Inputs | PictureError:
            try:
                inputs = self.backbone.prepare(batch, instruction)
            except PictureError as error:
                return error
            if self.device.type == "cuda":
                return {name: tensor.pin_memory() for name, tensor in inputs.items()}
            return inputs

        if self.device.type == "cpu" and cores() <= torch.get_num_threads():
            yield from ((batch, prepare(batch)) for batch in batches)
            return
        yield from ahead(prepare, batches, self.preparing, AHEAD)

    def _vectors(
        self, items: list[Item], inputs: Inputs | PictureError, instruction: str, broken: dict[str, ItemError]
    ) -> Iterator[tuple[Item, NDArray[np.float32]]]:
        """Yield usable items with their vectors.

        When a picture of a batch cannot be read, every item is prepared a second time, alone. So is an item
        with a bad vector: in a packed batch, the NaN of one item may spread to others.
        """
        if isinstance(inputs, PictureError):
            faults = dict.fromkeys(range(len(items)), item_error(inputs))
        else:
            rows = self._run(inputs)
            faults = bad_rows(rows)
            yield from ((item, rows[n]) for n, item in enumerate(items) if n not in faults)
        if len(items) == 1:
            broken |= zip([items[0].key], faults.values(), strict=False)
            return
        for batch, prepared in self._prepared([[items[n]] for n in faults], instruction):
            yield from self._vectors(batch, prepared, instruction, broken)

    @torch.inference_mode()
    def _run(self, inputs: Inputs) -> NDArray[np.float32]:
        module: Any = self.backbone
        moved = {name: tensor.to(self.device, non_blocking=True) for name, tensor in inputs.items()}
        vectors: NDArray[np.float32] = module(**moved)[:, : self.dims[-1]].float().cpu().numpy()
        return vectors

    def save(self, folder: str | Path) -> Path:
        """Write a model folder; `version` becomes the hash of what was written."""
        folder = Path(folder)
        (folder / FILE).unlink(missing_ok=True)  # written last: a half-written folder has none
        self.backbone.save(folder)
        base = self.backbone.fingerprint if isinstance(self.backbone, Pretrained) else ""
        self.version = weights_version(folder, base)
        write_saved(folder, self.version, self.dims[-1], self.settings)
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        corpus: CorpusSettings | None = None,
        feature_folder: Path | None = None,
        device: str = "auto",
        base: str | Path | None = None,
        remember: int = 0,
        **changes: Any,
    ) -> Self:
        """Load the model saved in `folder`; `"compact"` is the one that ships with the package.

        Args:
            base: folder or hub id of the pretrained weights, when the folder only names them and they moved.
            remember: number of vectors cached in memory, so that equal items are not encoded again.
            changes: options in place of those saved. `dims`: some of the trained dimensions. With `read` and
                `precision` of a compact model vectors change, and so does the version.

        Raises:
            ModelError: the folder holds no UniNote model, or one of another rendering (RenderingError), or
                training fixed an option of `changes`.
        """
        folder = model_folder(folder)
        saved = Saved(folder)
        changed = changes_to(saved, changes)
        settings = saved.settings(**changed | {"device": device, "remember": remember})
        options = LoadOptions(corpus, feature_folder, device, base, changed)
        version = versioned(saved.version, changed)
        loaded = cls(backbone_class(type(settings)).load(folder, options), settings, version)
        loaded.changes = varying(changed)
        return loaded
