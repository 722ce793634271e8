"""Stored dimension of a model version, chosen when the version is added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from uninote.errors import ConfigError
from uninote.service.concurrency.loaded_models import LoadedEncoder
from uninote.settings import StoreSettings
from uninote.store.layout import layout_of
from uninote.store.manifest import check_layout, read_manifest


class StoredDims:
    """Chooser of stored dimensions for a served folder.

    Vectors of the folder's index keep its dimension, so that they are reused; those of other models get the
    widest that an HNSW index holds, or `store.dims`. The service stores 16-bit numbers.

    Raises ConfigError for options that contradict the index of the folder, or what the service stores.
    """

    def __init__(self, settings: StoreSettings, folder: Path) -> None:
        self._manifest = read_manifest(folder) or {}
        if self._manifest:
            check_layout(settings, self._manifest, str(folder))
        elif settings.precision == "single":
            raise ConfigError("the service stores vectors in half precision: leave store.precision out")
        self._settings = settings.model_copy(update={"precision": "half"})

    def __call__(self, encoder: LoadedEncoder, stored: Mapping[str, int]) -> int:
        """Return the dimension of a version; `stored` holds those that the database keeps.

        Raises ConfigError for a `store.dims` that the model does not have, or that the database contradicts.
        """
        kept, asked = stored.get(encoder.version), self._settings.dims
        if kept is not None:
            if asked in encoder.dims and asked != kept:
                raise ConfigError(
                    f"the database holds model version {encoder.version!r} with {kept} dimensions, not "
                    f"store.dims={asked}: leave store.dims out, or set store.address to another database"
                )
            return kept
        of_index = self._manifest.get("dim")
        if self._manifest.get("version") == encoder.version and of_index in encoder.dims:
            return int(of_index)
        return layout_of(encoder.dims, self._settings, "postgresql").dim
