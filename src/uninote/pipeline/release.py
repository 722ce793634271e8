"""Release of a trained compact model with the package: weights without local paths, and a model card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from safetensors.torch import load_file, save_file

from uninote.encoder.saved import BACKBONE_FILE, FILE, Saved, weights_version
from uninote.errors import ModelError
from uninote.evaluation.headline import first_metric, mean_recall
from uninote.shipped import COMPACT
from uninote.tasks.definitions import SINGLE_TARGET, in_words

BASES = {"minilm": "sentence-transformers/all-MiniLM-L6-v2", "e5-small": "intfloat/multilingual-e5-small"}
"""Hub ids of the text towers of the packages."""
LARGEST = 25_000_000
"""Bytes that a shipped model may have."""


class Origin(NamedTuple):
    """Notes that trained a model: `licence` and `repositories` as `owner/name@commit`."""

    name: str
    licence: str
    repositories: tuple[str, ...]


def halve_weights(model: Path) -> None:
    """Store the weights of a model folder as float16; the version becomes that of the new weights."""
    for file in model.glob("*.safetensors"):
        save_file({name: tensor.half() for name, tensor in load_file(file).items()}, file)
    _write(model / FILE, Saved(model).config | {"version": weights_version(model)})


def release_model(
    model: Path,
    out: Path,
    report: Mapping[str, Any],
    origins: Sequence[Origin],
    recipe: str,
    tables: Sequence[tuple[str, str]] = (),
    share: float = 1.0,
) -> Path:
    """Write `out` with the weights, settings and card of the compact model in `model`. Returns `out`.

    Args:
        report: report.json of the run that trained it: its last stage is this model.
        origins: sources of the training notes.
        recipe: the command that reproduces it.
        tables: heading and Markdown of further sections of the card, e.g. about notes of another source.
        share: weight of the last stage in the merge with the warmed-up model, see `soup.best_merge`.

    Raises ModelError when `model` is no compact model, or larger than `LARGEST`.
    """
    saved = Saved(model)
    if saved.backbone != COMPACT:
        raise ModelError(f"{model} is a {saved.backbone} model: only the compact one ships with the package")
    weights = sorted(model.glob("*.safetensors"))
    size = sum(file.stat().st_size for file in weights)
    if size > LARGEST:
        raise ModelError(f"{model} has {size} bytes of weights, over the cap of {LARGEST}")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for file in [*weights, model / BACKBONE_FILE]:
        shutil.copyfile(file, out / file.name)
        (out / file.name).chmod(0o644)
    card = _card(out.name, saved, size, report, origins, recipe, tables, share)
    (out / "README.md").write_text(card, "utf-8")
    _write(out / FILE, saved.config | {"dim": max(saved.config["encoder"]["dims"])})
    return out


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _card(
    name: str,
    saved: Saved,
    size: int,
    report: Mapping[str, Any],
    origins: Sequence[Origin],
    recipe: str,
    tables: Sequence[tuple[str, str]],
    share: float,
) -> str:
    environment = Environment(
        loader=PackageLoader("uninote.pipeline"),
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    stages = report["stages"]
    before, after = (stages[name]["tasks"] for name in (next(iter(stages)), list(stages)[-1]))
    rows: list[tuple[str, ...]] = []
    for task, values in after.items():
        metric = first_metric(task)
        row = task if metric == "recall@1" else f"{task} P@1"
        rows.append((row, _value(before[task], metric), _value(values, metric)))
    rows.append(
        (
            f"**mean of the {in_words(SINGLE_TARGET)}**",
            *(f"**{100 * mean_recall(tasks):.1f}**" for tasks in (before, after)),
        )
    )
    return environment.get_template("release.md.j2").render(
        name=name,
        bases=[BASES.get(tower, tower) for tower in saved.config["encoder"]["text"]],
        version=saved.version,
        size=size,
        config=saved.config["encoder"],
        data=report["dataset"],
        origins=origins,
        recipe=recipe,
        rows=rows,
        tables=tables,
        share=share,
    )


def _value(entry: Mapping[str, Any], metric: str) -> str:
    low, high = entry.get(f"{metric}_interval", (None, None))
    text = f"{100 * entry[metric]:.1f}"
    return text if low is None else f"{text} ({100 * low:.1f}–{100 * high:.1f})"
