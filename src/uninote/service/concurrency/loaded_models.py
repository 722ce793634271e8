"""Registry of the loaded encoders by version; to the batcher it is one model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from uninote.encoder.saved import Saved, saved_models
from uninote.errors import ItemError, ModelError
from uninote.items import Item
from uninote.service.concurrency.batcher import Group, Vector
from uninote.service.errors import UnavailableError
from uninote.tasks.definitions import INSTRUCTIONS, Task


class LoadedEncoder(Protocol):
    """Part of `uninote.Encoder` that the service uses."""

    version: str
    dims: tuple[int, ...]
    backbone: Any

    @property
    def uses_instructions(self) -> bool: ...

    def read(self, items: Sequence[Item]) -> list[Item | ItemError]: ...

    def encode(
        self, items: Sequence[Item], *, task: Task | None, failures: dict[int, ItemError]
    ) -> NDArray[np.float32]: ...


Load = Callable[[Path], LoadedEncoder]


def saved_version(folder: Path) -> str:
    """Return the version of a model folder, loaded as it was saved. Raises ModelError."""
    return Saved(folder).version


class Models:
    """Encoders by version. A group of items is (version, task or None).

    load: reads a model folder. version_of: returns the version that `load` gives, without loading.
    """

    def __init__(self, load: Load, version_of: Callable[[Path], str] = saved_version) -> None:
        self._load, self._version_of = load, version_of
        self._encoders: dict[str, LoadedEncoder] = {}

    def add(
        self, folder: Path, stored_dim: Callable[[LoadedEncoder], int] = lambda encoder: encoder.dims[-1]
    ) -> LoadedEncoder:
        """Load a folder's model, unless its version is loaded; return the encoder. Raises ModelError.

        stored_dim: returns the trained dimension that vectors are stored with. The service knows the encoder
        by this and narrower ones.
        """
        loaded = self._encoders.get(self._version_of(folder))
        if loaded is not None:
            return loaded
        encoder = self._load(folder)
        dim = stored_dim(encoder)
        if dim not in encoder.dims:
            raise ModelError(
                f"the database holds vectors of {dim} dimensions of model version {encoder.version!r}, which "
                f"gives {', '.join(map(str, encoder.dims))} here: leave encoder.dims out"
            )
        encoder.dims = tuple(one for one in encoder.dims if one <= dim)
        return self._encoders.setdefault(encoder.version, encoder)

    def remove(self, version: str) -> None:
        """Unload a version; do nothing if it is not loaded."""
        self._encoders.pop(version, None)

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(self._encoders)

    def get(self, version: str) -> LoadedEncoder:
        """Return the encoder of a version. Raises UnavailableError when it is not loaded."""
        found = self._encoders.get(version)
        if found is None:
            raise UnavailableError(
                f"model version {version!r} is not loaded in this process; put its folder into the model "
                "folder and start the process again"
            )
        return found

    def reads(self, version: str) -> bool:
        """Return whether the encoder reads pictures whose text is not given, which takes time."""
        return getattr(getattr(self.get(version), "settings", None), "read", "none") == "all"

    @property
    def take_videos(self) -> bool:
        """Whether one of the loaded encoders takes videos that were sampled by rate."""
        settings = [getattr(encoder, "settings", None) for encoder in tuple(self._encoders.values())]
        return any(getattr(own, "takes_videos", False) for own in settings)

    def token_budget(self) -> int:
        """Return the smallest token budget of the loaded encoders."""
        settings = [getattr(encoder, "settings", None) for encoder in self._encoders.values()]
        return min((own.token_budget for own in settings if own is not None), default=4096)

    def cost(self, item: Item, group: Group) -> int:
        version, task = _parts(group)
        encoder = self.get(version)
        instruction = INSTRUCTIONS[task] if task is not None and encoder.uses_instructions else ""
        return int(encoder.backbone.cost(item, instruction))

    def encode(self, items: Sequence[Item], group: Group) -> Sequence[Vector | ItemError]:
        version, task = _parts(group)
        failures: dict[int, ItemError] = {}
        rows = self.get(version).encode(items, task=task, failures=failures)
        return [failures.get(n, row) for n, row in enumerate(rows)]

    def available(self, index: Path) -> dict[str, Path]:
        """Return the model folders of a served folder by version. Raises ModelError when there is none."""
        return available(index, self._version_of)


def available(index: Path, version_of: Callable[[Path], str] = saved_version) -> dict[str, Path]:
    """Return the model folders of a served folder by version: `model` first, then those below `models`.

    Raises ModelError when there is none.
    """
    found = saved_models(index)
    if not found:
        raise ModelError(
            f"{index} holds no model: serve an index folder of `uninote index` or `uninote demo`, "
            "or put a trained model into its folder `model`"
        )
    versions: dict[str, Path] = {}
    for folder in found:
        versions.setdefault(version_of(folder), folder)
    return versions


def _parts(group: Group) -> tuple[str, Task | None]:
    return cast(tuple[str, Task | None], group)
