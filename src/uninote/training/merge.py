"""Merge of two models of one origin by interpolating their weights (model soups, arXiv 2203.05482)."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from uninote.errors import ModelError, reason_of

AXES = "axes"
Tensors = dict[str, torch.Tensor]


def merged_weights(first: Tensors, second: Tensors, share: float) -> Tensors:
    """Move every tensor `share` of the way from `first` to `second`, in float32; the dtype is the first's.

    Principal axes, which would not stay orthogonal, are taken from the nearer model.

    Raises ModelError when names or shapes differ.
    """
    if first.keys() != second.keys():
        name = sorted(first.keys() ^ second.keys())[0]
        raise ModelError(f"only one of the models has weights {name!r}: merge models of one origin")
    for name, tensor in first.items():
        if tensor.shape != second[name].shape:
            raise ModelError(
                f"weights {name!r} are {tuple(tensor.shape)} in one model and "
                f"{tuple(second[name].shape)} in the other: merge models of one origin"
            )
    merged = {
        name: torch.lerp(tensor.float(), second[name].float(), share).to(tensor.dtype)
        for name, tensor in first.items()
    }
    nearer = first if share < 0.5 else second
    return merged | {name: nearer[name] for name in merged if name.split(".")[-1] == AXES}


def weight_files(model: Path) -> set[Path]:
    """Return weights of a model folder, relative to it, without the checkpoints of its training."""
    files = (path.relative_to(model) for path in model.rglob("*.safetensors"))
    return {file for file in files if file.parts[0] != "run"}


def merge_folders(first: Path, second: Path, share: float, out: Path) -> None:
    """Write to `out` the model of `first`, trained weights moved towards `second`.

    LoRA factors are interpolated one by one, not their products: sound for models whose factors are near
    each other, as stage 2's are to stage 1's. The configuration is that of `first`; the version is left to
    the caller, who loads and saves the model.

    Raises:
        ModelError: a folder holds no weights, `out` is one of the two, or the models do not fit together.
    """
    if out.resolve() in (first.resolve(), second.resolve()):
        raise ModelError(f"{out} is one of the two models: name another folder")
    files = [weight_files(folder) for folder in (first, second)]
    if not files[0] or files[0] != files[1]:
        raise ModelError(
            f"{first} and {second} do not hold the same files of weights: merge models of one origin"
        )
    try:
        merged = {
            name: merged_weights(load_file(first / name), load_file(second / name), share)
            for name in sorted(files[0])
        }
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{first} or {second} has unreadable weights: {reason_of(error)}") from error
    shutil.copytree(first, out, ignore=shutil.ignore_patterns("run", "*.safetensors"), dirs_exist_ok=True)
    for name, tensors in merged.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, out / name, metadata={"format": "pt"})
