"""Saved models: `uninote.json` and `backbone.json` of a folder, read without loading the model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

from uninote.errors import ModelError, RenderingError, reason_of
from uninote.files import write_atomic
from uninote.items import RENDERING, require_rendering
from uninote.settings import EncoderSettings, Settings, encoder_class

FILE = "uninote.json"
BACKBONE_FILE = "backbone.json"


class Saved:
    """Reader of a model folder. Raises ModelError when it holds no saved model, or one of another rendering.

    Attributes:
        config: content of `uninote.json`; an entry that an older release did not write is absent.
        version: `Encoder.version` of the model.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = self._read(FILE)
        self.version = str(self.config.get("version") or self._refuse(FILE, None))
        check_rendering(folder, self.config)

    @property
    def dim(self) -> int | None:
        """The widest dimension; None where it was not written yet."""
        dim = self.config.get("dim")
        return None if dim is None else int(dim)

    @property
    def dims(self) -> tuple[int, ...]:
        """Trained Matryoshka dimensions, widest last; empty where they were not written."""
        widest, written = self.dim, self.config.get("encoder", {}).get("dims", ())
        fitting = {int(dim) for dim in written if widest is None or dim <= widest}
        return tuple(sorted(fitting | ({widest} if widest else set())))

    @cached_property
    def backbone(self) -> str:
        """Name of the backbone. Raises ModelError when the folder does not say."""
        return str(self._read(BACKBONE_FILE).get("name") or self._refuse(BACKBONE_FILE, None))

    def settings(self, **changes: Any) -> EncoderSettings:
        """Return the encoder settings that were saved, with `changes`. Raises ModelError for damaged ones."""
        try:
            own = encoder_class(self.backbone)
        except (ValueError, ImportError, AttributeError) as error:
            raise ModelError(
                f"{self.folder} cannot be loaded: {reason_of(error)}, or install the package that brings it"
            ) from error
        try:
            stored = own.only(dict(self.config["encoder"]))
            return own.model_validate({**stored, "backbone": self.backbone, **changes})
        except (LookupError, TypeError, ValueError) as error:
            self._refuse(FILE, error)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = json.loads((self.folder / name).read_text("utf-8"))
        except (OSError, ValueError) as error:
            self._refuse(name, error)
        return content if isinstance(content, dict) else self._refuse(name, None)

    def _refuse(self, name: str, error: Exception | None) -> NoReturn:
        raise ModelError(
            f"{self.folder} is not a saved UniNote model (no readable {name}): "
            "train one with `uninote train sft`, or name another folder"
        ) from error


def check_rendering(folder: Path, config: Mapping[str, Any]) -> None:
    """Raise RenderingError when the model of `config` reads items in another way than this release."""
    require_rendering(config, f"model {folder.name!r}", "train it again", RenderingError)


def weights_version(folder: Path, base: str = "") -> str:
    """Return the version of the weights in a model folder: 12 hex digits of their hash.

    base: fingerprint of pretrained weights that the folder only names.
    """
    digest = hashlib.sha256(base.encode())
    for weights in sorted(folder.rglob("*.safetensors")):
        digest.update(weights.read_bytes())
    return digest.hexdigest()[:12]


def is_saved(folder: Path) -> bool:
    """Check whether `folder` holds a whole model: `uninote.json` is written last."""
    return (folder / FILE).is_file()


def saved_models(folder: Path) -> list[Path]:
    """Return the model folders of a served or index folder: `model` first, then those of `models` by name."""
    inner = folder / "models"
    found = [folder / "model", *(sorted(inner.iterdir()) if inner.is_dir() else ())]
    return [model for model in found if is_saved(model)]


def reading(settings: Settings, *models: Path) -> Settings:
    """Return the settings to read notes with for saved models.

    Videos are sampled by rate where one of the models takes them as videos. Folders without a model count
    for nothing.
    """
    saved = (Saved(folder).settings() for folder in models if is_saved(folder))
    if not any(one.takes_videos for one in saved):
        return settings
    return settings.model_copy(update={"corpus": settings.corpus.by_rate()})


def write_saved(folder: Path, version: str, dim: int, settings: EncoderSettings) -> None:
    """Write `uninote.json` atomically, as the last file: it marks the folder as a whole model."""
    config = {"version": version, "dim": dim, "rendering": RENDERING, "encoder": settings.model_dump()}
    with write_atomic(folder / FILE) as partial:
        partial.write_text(json.dumps(config, indent=2), "utf-8")
