"""Model card: YAML front matter for the hub, then tasks, numbers, use and limits for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from uninote.encoder import Encoder
from uninote.encoder.capabilities import Exports, Pretrained
from uninote.errors import ModelError
from uninote.problems import problem_of
from uninote.tasks.definitions import META_TASKS, SINGLE_TARGET, in_words

METRICS = ("recall@1", "recall@10", "precision@1", "ndcg@10")
USE = {
    "module": """\
```sh
pip install 'uninote[export]'
```

```python
from uninote.export import load_sentence_transformer

model = load_sentence_transformer("FOLDER")   # or SentenceTransformer("FOLDER", trust_remote_code=True)
vectors = model.encode(["a rainy street", {"text": ["title", "body"], "image": ["1.jpg", "2.jpg"]}])
```

sentence-transformers 6 asks for `trust_remote_code` because the class is of another package, the installed
`uninote`. No code is in the folder.
""",
    "transformers": """\
```python
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("FOLDER")
vectors = model.encode([{"text": ["title", "body"], "image": ["1.jpg", "2.jpg"]}])
queries = model.encode(["a rainy street"], prompt_name="T2Note")
```

```sh
vllm serve FOLDER --runner pooling --allowed-media-domains none.invalid
```

The prompt is the folder's chat template; `uninote_prompt.json` shows it on an example and names the
instruction of every task. Queries take the instruction as system message, the corpus side takes none.
The second option keeps vLLM from fetching the addresses that clients send.
Send chat messages with `dimensions`: without it a server returns the full width, trained or not.
`uninote.export.ServerMessages` writes the messages, trimmed to the limits of the model.
""",
    "onnx": """\
```python
from uninote import Encoder, Item, Picture

encoder = Encoder.load("FOLDER", device="cpu", precision="int8")
vectors = encoder.encode([Item.of("title", "body", Picture.from_path("1.jpg"))])
```

`onnx.json` names inputs and outputs of all graphs for other runtimes.
""",
}


def model_card(
    encoder: Encoder, layout: str, report: Path | None = None, stage: str | None = None
) -> ModelCard:
    """Write the card of an exported model.

    Args:
        layout: a key of `USE`.
        report: report.json of `uninote evaluate` or of the demo.
        stage: the column of the report that this model is; its last one if None.

    Raises ModelError when the report cannot be read or has no such stage.
    """
    data, measured = _report(report, stage) if report else ({}, {})
    card = ModelCardData(
        model_name="UniNote",
        library_name="onnxruntime" if layout == "onnx" else "sentence-transformers",
        pipeline_tag="sentence-similarity",
        base_model=_hub_id(encoder),
        language=sorted(set(data.get("languages", {})) - {"unknown"}) or None,
        tags=["uninote", "multimodal", "feature-extraction", "matryoshka"],
        eval_results=[*_results(measured)] or None,
    )
    text = "\n".join(_sections(encoder, layout, data, measured))
    return ModelCard(f"---\n{card.to_yaml()}\n---\n\n{text}")


def _report(path: Path, stage: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        report = json.loads(path.read_text("utf-8"))
        stages, data = report["stages"], report["dataset"]
        name = stage or list(stages)[-1]
        tasks = {**stages[name]["tasks"]} if name in stages else None
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelError(f"{path} is no report.json of `uninote evaluate`: {problem_of(error)}") from error
    if tasks is None:
        raise ModelError(f"{path} has no stage {name!r}: choose one of {', '.join(stages)}")
    return data, tasks


def _results(measured: Mapping[str, Any]) -> Iterator[EvalResult]:
    for task, values in measured.items():
        for metric in METRICS:
            if metric in values:
                yield EvalResult(
                    task_type="sentence-similarity",
                    task_name=task,
                    dataset_type="notes",
                    dataset_config=task,  # the hub joins results of equal data sets
                    dataset_name="held-out notes",
                    metric_type=metric,
                    metric_value=round(values[metric], 4),
                )


def _sections(
    encoder: Encoder, layout: str, data: Mapping[str, Any], measured: Mapping[str, Any]
) -> Iterator[str]:
    yield "# UniNote\n"
    yield (
        "One vector per item: a picture, a text, the text in a picture, frames of a video, or a whole note "
        "of them. Cosine similarity retrieves and ranks. The method is that of [arXiv 2605.29287]"
        "(https://arxiv.org/abs/2605.29287).\n"
    )
    base = _hub_id(encoder)
    yield f"* backbone: {encoder.backbone.name}{f', {base}' if base else ''}"
    yield f"* dimensions (Matryoshka): {', '.join(map(str, encoder.dims))}: cut, then normalise again"
    yield f"* longest input: {encoder.settings.max_tokens} tokens, pictures included; the rest is trimmed"
    yield f"* model version: `{encoder.version}`\n"
    yield "## Use\n"
    yield USE[layout]
    yield "## Tasks\n"
    for family, tasks in META_TASKS.items():
        yield f"* {family}: {', '.join(task.value for task in tasks)}"
    yield ""
    if measured:
        yield from _numbers(data, measured)
    else:
        yield "## Numbers\n\nNot measured: `uninote evaluate` writes the report that `--report` takes.\n"
    yield "## Limits\n"
    yield "* Scores are cosines of this model only: thresholds do not carry over to another version."
    yield "* A text in a picture is found as far as the vision tower reads it, or its OCR is in the item."
    if layout == "onnx":
        yield "* int8 vectors are close to, not equal to, fp32 ones: index and query with the same graph."
    if isinstance(encoder.backbone, Exports):
        yield from (f"* {limit}" for limit in encoder.backbone.export_limits())


def _hub_id(encoder: Encoder) -> str | None:
    """Return the hub id of the pretrained weights; None for a local path, which is never published."""
    base = encoder.backbone.base if isinstance(encoder.backbone, Pretrained) else ""
    return base if base and not Path(base).exists() else None


def _numbers(data: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[str]:
    languages = ", ".join(f"{name} {count}" for name, count in data.get("languages", {}).items())
    yield "## Numbers\n"
    yield (
        f"{data.get('notes', '?')} held-out notes with {data.get('pictures', '?')} pictures (languages: "
        f"{languages or 'not given'}). In percent; every target of a task is a candidate.\n"
    )
    yield f"| task | {' | '.join(METRICS)} |"
    yield f"|---|{'---|' * len(METRICS)}"
    for task, values in measured.items():
        cells = (f"{100 * values[m]:.1f}" if m in values else "–" for m in METRICS)
        yield f"| {task} | {' | '.join(cells)} |"
    found = [measured[task.value]["recall@1"] for task in SINGLE_TARGET if task.value in measured]
    if len(found) == len(SINGLE_TARGET):
        name, mean = f"mean of the {in_words(SINGLE_TARGET)}", 100 * sum(found) / len(found)
        yield f"| **{name}** | **{mean:.1f}** |{' |' * (len(METRICS) - 1)}"
    yield ""
