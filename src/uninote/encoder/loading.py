"""Loading of a saved model as a configuration says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from uninote.encoder.encoder import Encoder
from uninote.encoder.saved import Saved
from uninote.settings import EncoderSettings, Settings
from uninote.shipped import model_folder


def load_encoder(
    model: str | Path, settings: Settings, features: Path | None = None, remember: int = 0, **more: Any
) -> Encoder:
    """Load a saved model, on the device and with the options of `encoder` that were set.

    Args:
        features: cache of the towers' outputs on disk.
        remember: see `Encoder.load`; `encoder.remember` comes before it.
        more: further options of `Encoder.load`, before those of the settings.

    Raises ModelError as `Encoder.load` does, e.g. for an option that training fixed.
    """
    chosen = {"remember": remember} | load_options(Saved(model_folder(model)), settings.encoder)
    return Encoder.load(model, corpus=settings.corpus, feature_folder=features, **chosen | more)


def load_options(saved: Saved, settings: EncoderSettings) -> dict[str, Any]:
    """Return the options of `Encoder.load` for what was set in section `encoder`; pretrained weights that
    moved are `base`."""
    given = {**settings.given, "device": settings.device}
    stored = saved.settings()
    if "model" in given and "model" in type(stored).model_fields:
        moved = str(given.pop("model"))
        if moved not in ("", getattr(stored, "model", "")):
            given["base"] = moved
    return given
