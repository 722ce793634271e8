"""The card says what the model is, as YAML for the hub and in words, and nothing it cannot know."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from uninote.encoder import Encoder
from uninote.errors import ModelError
from uninote.export.card import USE, model_card
from uninote.tasks.definitions import SFT_TASKS, SINGLE_TARGET, Task, in_words


@pytest.fixture
def report(tmp_path: Path) -> Path:
    def stage(first: float) -> dict[str, Any]:
        nine = {
            task.value: {"recall@1": first + n / 100, "recall@10": 0.9} for n, task in enumerate(SFT_TASKS)
        }
        return {"tasks": {**nine, "Note2Note": {"precision@1": 0.75, "ndcg@10": 0.7123, "recall@1": 0.1}}}

    content = {
        "dataset": {"notes": 337, "pictures": 1228, "languages": {"en": 300, "zh": 30, "unknown": 7}},
        "stages": {"base": stage(0.1), "sft": stage(0.5)},
    }
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    return path


def test_numbers_of_the_report_are_in_the_front_matter_and_the_table(compact: Encoder, report: Path) -> None:
    card = model_card(compact, "onnx", report)
    read = ModelCard(str(card)).data  # as the hub parses it
    results = {(each.task_name, each.metric_type): each.metric_value for each in read.eval_results or []}
    assert results["I2T", "recall@1"] == 0.5
    assert results["Note2Note", "ndcg@10"] == 0.7123
    assert read.language == ["en", "zh"]
    assert "| I2T | 50.0 | 90.0 | – | – |" in card.text
    assert "| Note2Note | 10.0 | – | 75.0 | 71.2 |" in card.text
    mean = 50 + (len(SFT_TASKS) - 1) / 2
    assert f"**mean of the {in_words(SINGLE_TARGET)}** | **{mean:.1f}**" in card.text
    assert "337 held-out notes with 1228 pictures (languages: en 300, zh 30, unknown 7)" in card.text
    first = model_card(compact, "onnx", report, "base")
    assert "| I2T | 10.0 |" in first.text
    with pytest.raises(ModelError, match="base, sft"):
        model_card(compact, "onnx", report, "rl")


@pytest.mark.parametrize("layout", USE)
def test_without_a_report_no_number_is_claimed(compact: Encoder, qwen: Encoder, layout: str) -> None:
    encoder = qwen if layout == "transformers" else compact
    card = model_card(encoder, layout)
    read = ModelCard(str(card)).data
    assert read.eval_results is None
    assert "Not measured" in card.text
    assert all(task.value in card.text for task in Task)
    assert ", ".join(map(str, encoder.dims)) in card.text
    for number, block in enumerate(card.text.split("```python\n")[1:]):
        compile(block.partition("```")[0], f"card {number}", "exec")


def test_a_local_path_of_the_weights_is_not_published(qwen: Encoder, tmp_path: Path) -> None:
    backbone: Any = qwen.backbone
    card = str(model_card(qwen, "transformers"))
    assert backbone.base not in card
    backbone.base = "Qwen/Qwen3-VL-2B-Instruct"
    named = model_card(qwen, "transformers")
    assert named.data.base_model == "Qwen/Qwen3-VL-2B-Instruct"
    assert "qwen-vl, Qwen/Qwen3-VL-2B-Instruct" in named.text


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"stages": {}, "dataset": {}}'])
def test_what_is_no_report_is_refused(compact: Encoder, tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(content)
    with pytest.raises(ModelError, match=r"no report\.json"):
        model_card(compact, "onnx", path)
