"""LoRA adapters in the folder `adapter` of a saved model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FOLDER = "adapter"


def add_adapter(model: Any, targets: str | Sequence[str], rank: int, alpha: int, dropout: float) -> Any:
    """Return `model` with adapters on its layers `targets`; one that has adapters is returned as it is.

    Raises ValueError when no layer fits.
    """
    from peft import LoraConfig, get_peft_model

    if hasattr(model, "peft_config"):
        return model
    names = targets if isinstance(targets, str) else list(targets)
    return get_peft_model(
        model, LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=dropout, target_modules=names)
    )


def save_adapter(model: Any, folder: Path, **options: Any) -> None:
    """Write the adapters of `model`, if it has any, in place of those in `folder`.

    Args:
        options: of peft's `save_pretrained`.
    """
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    if hasattr(model, "peft_config"):
        model.save_pretrained(folder / FOLDER, safe_serialization=True, **options)


def forget_base(folder: Path) -> None:
    """Remove the path of the pretrained weights, which the library notes, from saved adapters.

    Not the name of a model on a hub instead: the library would ask there when the model is saved again.
    """
    config = folder / FOLDER / "adapter_config.json"
    if config.is_file():
        known = json.loads(config.read_text()) | {"base_model_name_or_path": None}
        config.write_text(json.dumps(known, indent=2) + "\n")


def with_adapter(model: Any, folder: Path) -> Any:
    """Return `model` with the adapters saved in `folder`, trainable; without any, as it is."""
    if not (folder / FOLDER).is_dir():
        return model
    from peft import PeftModel

    return PeftModel.from_pretrained(model, str(folder / FOLDER), is_trainable=True)
