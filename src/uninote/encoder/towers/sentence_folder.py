"""sentence-transformers folder: what `modules.json` and its other files say of pooling and prompts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from uninote.encoder.towers.network import POOLINGS
from uninote.encoder.towers.sources import read_json
from uninote.errors import ModelError
from uninote.problems import problem_of

ACTIVATIONS: Mapping[str, type[nn.Module]] = {
    kind.__name__: kind for kind in (nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid)
}
OLD_POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "lasttoken",
}
SETTINGS = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")


class Sentence(NamedTuple):
    """Description of a text tower; the defaults are those of a folder without `modules.json`.

    Attributes:
        model: folder of the transformer.
        longest: tokens of a sequence, or None.
    """

    model: Path
    pooling: str = "mean"
    dense: tuple[nn.Module, ...] = ()
    prompt: str = ""
    longest: int | None = None
    lower: bool = False


def read_sentence(folder: Path) -> Sentence:
    """Read the folder. Raises ModelError for modules that a tower cannot be made of."""
    if not (folder / "modules.json").is_file():
        return Sentence(folder)
    try:
        return _read(folder)
    except (LookupError, TypeError, ValueError, RuntimeError, SafetensorError, OSError) as error:
        raise ModelError(
            f"the modules of {folder} cannot be read: {problem_of(error)}; copy the whole folder again"
        ) from error


def _read(folder: Path) -> Sentence:
    found = Sentence(folder)
    for module in read_json(folder / "modules.json"):
        kind, place = str(module["type"]).rpartition(".")[2], folder / str(module["path"])
        match kind:
            case "Transformer":
                named = [place / name for name in SETTINGS if (place / name).is_file()]
                options = read_json(named[0]) if named else {}
                longest = options.get("max_seq_length")
                found = found._replace(
                    model=place,
                    longest=int(longest) if longest else None,
                    lower=bool(options.get("do_lower_case")),
                )
            case "Pooling":
                found = found._replace(pooling=pooling_of(read_json(place / "config.json"), folder))
            case "Dense":
                found = found._replace(dense=(*found.dense, _dense(place)))
            case "Normalize":
                pass  # every text tower gives unit rows
            case _:
                raise ModelError(
                    f"{folder} has a module of kind {kind}, which no tower is made of: choose a model of "
                    "Transformer, Pooling, Dense and Normalize, or name the folder of its transformer"
                )
    options = folder / "config_sentence_transformers.json"
    stored = read_json(options) if options.is_file() else {}
    default = stored.get("default_prompt_name")
    if default is not None:
        found = found._replace(prompt=str(stored["prompts"][default]))
    return found


def pooling_of(config: Mapping[str, Any], folder: Path) -> str:
    """Return the pooling of a `Pooling` module's configuration. Raises ModelError for another one."""
    chosen = config.get("pooling_mode")
    if chosen is None:
        active = [key for key in config if key.startswith("pooling_mode_") and config[key]]
        chosen = [OLD_POOLINGS.get(key, key.removeprefix("pooling_mode_")) for key in active] or ["mean"]
    modes = [chosen] if isinstance(chosen, str) else list(chosen)
    if len(modes) != 1 or modes[0] not in POOLINGS or config.get("include_prompt") is False:
        how = " + ".join(map(str, modes)) + " without the prompt" * (config.get("include_prompt") is False)
        raise ModelError(
            f"{folder} pools by {how}; a tower pools by one of {', '.join(POOLINGS)}: choose another model"
        )
    return str(modes[0])


def _dense(folder: Path) -> nn.Module:
    config = read_json(folder / "config.json")
    name = str(config.get("activation_function") or "Identity").rpartition(".")[2]
    inner = ("sentence_embedding", None)
    if (
        name not in ACTIVATIONS
        or config.get("use_residual")
        or config.get("module_input_name", "sentence_embedding") not in inner
        or config.get("module_output_name") not in inner
    ):
        raise ModelError(f"{folder} is a dense layer that no tower is made of: choose another model")
    linear = nn.Linear(config["in_features"], config["out_features"], bias=config.get("bias", True))
    weights: dict[str, torch.Tensor] = load_file(folder / "model.safetensors")
    linear.load_state_dict({key.removeprefix("linear."): value for key, value in weights.items()})
    return nn.Sequential(linear, ACTIVATIONS[name]())
