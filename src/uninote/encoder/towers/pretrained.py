"""Loader of `transformers` models for towers: safetensors only, no code of the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from uninote.errors import ModelError, reason_of

SHARED = ("get_text_features", "get_image_features")


class Pretrained(NamedTuple):
    """A model and whether its pooled output has trained weights."""

    model: Any
    pooled: bool

    @property
    def shared(self) -> bool:
        """True for a model with one space for texts and pictures."""
        return all(hasattr(self.model, name) for name in SHARED)


def load_model(folder: Path) -> Pretrained:
    """Load the model of a folder in float32. Raises ModelError when it cannot be loaded or lacks weights."""
    from transformers import AutoModel

    with loading(folder, "config.json and *.safetensors"), quiet():
        model, report = AutoModel.from_pretrained(
            str(folder),
            dtype="float32",
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    missing = sorted(report["missing_keys"])
    # The library fills gaps with random weights.
    pooler = [name for name in missing if "pooler." in name]
    others = [name for name in missing if name not in pooler]
    if others:
        raise ModelError(
            f"{folder} lacks {len(others)} weights of its {model.config.model_type} model, {others[0]} among "
            "them: download it again"
        )
    return Pretrained(model.eval(), not pooler)


@contextmanager
def loading(folder: Path, needed: str) -> Iterator[None]:
    """Turn the errors of `transformers` into a ModelError that names what the folder needs."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, ImportError, AttributeError) as error:
        reason = reason_of(error)
        raise ModelError(
            f"{folder} cannot be loaded as a tower: {reason}; name a folder with {needed}, or a hub id"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress the library's progress bars and reports."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
