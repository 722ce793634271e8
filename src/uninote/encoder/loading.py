"""Loading of a saved model as a configuration says."""

from __future__ import annotations

from pathlib import Path

from uninote.encoder.encoder import CHANGEABLE, Encoder
from uninote.settings import Settings


def load_encoder(
    model: str | Path, settings: Settings, features: Path | None = None, remember: int = 0
) -> Encoder:
    """Load a saved model, on the device and with the options of `encoder` that were set and may change.

    Args:
        features: cache of the towers' outputs on disk.
        remember: see `Encoder.load`.

    Raises ModelError as `Encoder.load` does.
    """
    chosen = settings.encoder
    changes = chosen.model_dump(include=set(CHANGEABLE), exclude_unset=True)
    return Encoder.load(
        model,
        corpus=settings.corpus,
        feature_folder=features,
        device=chosen.device,
        remember=remember,
        **changes,
    )
