"""Encoder as a model of MTEB, for its tasks with texts and pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uninote.encoder import Encoder
from uninote.encoder.matryoshka import check_dim
from uninote.encoder.partial import encode_partly, lost
from uninote.errors import ItemError
from uninote.extras import needs
from uninote.items import Item
from uninote.mteb.inputs import items_of
from uninote.mteb.parts import COLUMN, PICTURES
from uninote.progress import show_progress

with needs("mteb"):
    from datasets import Image as ImageFeature
    from datasets import load_dataset
    from mteb.models.abs_encoder import AbsEncoder
    from mteb.models.model_meta import ModelMeta, ScoringFunction
    from mteb.types import PromptType

log = logging.getLogger(__name__)


class MtebModel(AbsEncoder):
    """Model of MTEB around an encoder: cosine similarity of one vector an item.

    Attributes:
        mteb_model_meta: name, version and widths of the model, by which mteb keeps results.
    """

    def __init__(
        self,
        model: Encoder | str | Path = "compact",
        revision: str | None = None,
        *,
        device: str | None = None,
        name: str = "",
        dim: int | None = None,
        whole: bool = True,
    ) -> None:
        """Wrap an encoder, or load a model folder; `"compact"` is the model of the package.

        Args:
            revision: name of the version in mteb's results, instead of the encoder's own.
            name: of the model in mteb's results, after `uninote/`; the folder's name if empty.
            dim: a trained Matryoshka dimension; None for the widest.
            whole: take the whole items of a data set of UniNote, all pictures of a note among them; False:
                its one text and one picture, as any other model does.

        Raises ModelError when there is no such model or dimension.
        """
        loaded = model if isinstance(model, Encoder) else Encoder.load(model, device=device or "auto")
        self.model, self.dim, self.whole = loaded, check_dim(dim, loaded.dims), whole
        named = name or ("encoder" if isinstance(model, Encoder) else Path(model).name)
        self.mteb_model_meta = ModelMeta(
            loader=None,
            name=f"uninote/{named}",
            revision=revision or loaded.version,
            release_date=None,
            languages=None,
            n_parameters=None,
            memory_usage_mb=None,
            max_tokens=loaded.settings.max_tokens,
            embed_dim=self.dim,
            license=None,
            open_weights=None,
            public_training_code=None,
            public_training_data=None,
            framework=["PyTorch"],
            similarity_fn_name=ScoringFunction.COSINE,
            use_instructions=loaded.uses_instructions,
            training_datasets=None,
            modalities=["text", "image"],
            experiment_kwargs={"dim": self.dim, "whole": whole},
        )

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: Any,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        **options: Any,
    ) -> NDArray[np.float32]:
        """Return unit rows float32 `[n, dim]` of all items of the batches `inputs`.

        A row with a text and a picture is one item of both. Queries go with the instruction of the task where
        the encoder takes instructions.

        An item with a picture that cannot be used is embedded by its other parts. One of which nothing is
        left has a row of zeros, which is similar to nothing. A warning says how many there are.

        Raises ItemError when no item can be embedded.
        """
        query = prompt_type == PromptType.query
        instruction = (
            self.get_instruction(task_metadata, prompt_type) if query and self.model.uses_instructions else ""
        )
        rows: list[NDArray[np.float32]] = []
        failures: dict[int, ItemError] = {}
        done, side = 0, f"{'queries' if query else 'items'} of {task_metadata.name}"
        total = len(inputs.dataset) if hasattr(inputs, "dataset") else None
        with show_progress(side, total, show=options.get("show_progress_bar", False)) as bar:
            for batch in inputs:
                made = items_of(batch, self._bytes_of(batch, task_metadata.dataset))
                rows.append(self._rows(made, instruction, done, failures))
                done += len(made)
                bar.advance(len(made))
        unusable = lost(failures)
        partial = failures.keys() - unusable
        for found, effect in ((unusable, "cannot be embedded"), (partial, "lack a picture")):
            if found:
                first = min(found)
                told = f"{len(found)} of {done} {side} {effect}; number {first}: {failures[first]}"
                if len(unusable) == done:
                    raise ItemError(told)
                log.warning(told)
        return np.concatenate(rows) if rows else np.empty((0, self.dim), np.float32)

    def _rows(
        self, items: list[Item | ItemError], instruction: str, start: int, failures: dict[int, ItemError]
    ) -> NDArray[np.float32]:
        """Embed the items of a batch; report the errors by position in the whole, which begins at `start`."""
        usable = {n: item for n, item in enumerate(items) if isinstance(item, Item)}
        failures |= {start + n: item for n, item in enumerate(items) if isinstance(item, ItemError)}
        rows, broken = encode_partly(
            self.model.encode, list(usable.values()), instruction=instruction, dim=self.dim
        )
        places = list(usable)
        failures |= {start + places[n]: error for n, error in broken.items()}
        vectors = np.zeros((len(items), self.dim), np.float32)
        vectors[places] = rows
        return vectors

    def _bytes_of(
        self, batch: Mapping[str, Any], dataset: Mapping[str, Any]
    ) -> Callable[[str], bytes] | None:
        if not self.whole or COLUMN not in batch:
            return None
        return _pictures(dataset["path"], dataset["revision"])


@lru_cache(maxsize=1)
def _pictures(path: str, revision: str) -> Callable[[str], bytes]:
    """Return the function from digest to encoded picture of a data set of UniNote."""
    rows = load_dataset(path, PICTURES, split="test", revision=revision)
    rows = rows.cast_column("image", ImageFeature(decode=False))
    place = {digest: n for n, digest in enumerate(rows["id"])}

    def bytes_of(digest: str) -> bytes:
        found: bytes = rows[place[digest]]["image"]["bytes"]
        return found

    return bytes_of
