"""Data sets of UniNote, measured by mteb itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mteb.types import PromptType

import mteb
from uninote.encoder import Encoder
from uninote.errors import ConfigError
from uninote.evaluation.evaluate import evaluate
from uninote.evaluation.suite import Suite
from uninote.mteb import MtebModel, tasks
from uninote.tasks.definitions import INSTRUCTIONS, Task

KS = (1, 5, 10)


def measured(model: MtebModel, source: Path, names: list[str] | None = None) -> dict[str, Any]:
    results = mteb.evaluate(model, tasks(source, names), cache=None, show_progress_bar=False).task_results
    return {result.task_name.removeprefix("UniNote"): result.scores["test"][0] for result in results}


def same(found: dict[str, Any], own: dict[str, Any]) -> bool:
    names = [f"recall@{k}" for k in KS] + [name for name in ("precision@1", "ndcg@10") if name in own]
    values = {name: found[name.replace("@", "_at_")] for name in names}
    return values == pytest.approx({name: own[name] for name in names}, abs=1e-5)


@pytest.mark.slow
def test_mteb_measures_what_the_evaluation_measures(folder: Path, suite: Suite, encoder: Encoder) -> None:
    own = evaluate(encoder, suite, ks=KS, bootstrap=0, samples=0)["tasks"]
    found = measured(MtebModel(encoder), folder)
    assert list(found) == [task.value for task in Task]
    assert [name for name in found if not same(found[name], own[name])] == []
    assert 0 < sum(scores["recall_at_1"] for scores in found.values()) < 9  # no task decides it
    assert found["Note2Note"]["main_score"] == found["Note2Note"]["precision_at_1"]
    assert found["T2I"]["main_score"] == found["T2I"]["recall_at_1"]


def test_the_columns_of_single_elements_give_the_same_numbers(
    folder: Path, suite: Suite, encoder: Encoder
) -> None:
    own = evaluate(encoder, suite, ks=KS, bootstrap=0, samples=0)["tasks"]
    found = measured(MtebModel(encoder, whole=False), folder, ["I2T", "T2I", "Note2Note"])
    assert same(found["I2T"], own["I2T"])
    assert same(found["T2I"], own["T2I"])
    assert not same(found["Note2Note"], own["Note2Note"])  # the contact sheet is not the note


def test_a_shorter_vector_is_measured_as_such(folder: Path, suite: Suite, encoder: Encoder) -> None:
    own = evaluate(encoder, suite, ks=KS, bootstrap=0, samples=0)["dims"]["64"]
    found = measured(MtebModel(encoder, dim=64), folder, ["I2Note"])
    assert same(found["I2Note"], own["I2Note"])


def test_a_task_tells_its_instruction_and_languages(folder: Path, suite: Suite) -> None:
    [task] = tasks(folder, ["I2Note"])
    metadata = task.metadata
    assert metadata.prompt == {"query": INSTRUCTIONS[Task.I2NOTE]}
    assert metadata.get_modalities(PromptType.query) == ["image"]
    assert set(metadata.get_modalities(PromptType.document)) == {"image", "text"}
    assert metadata.eval_langs == {"I2Note": ["eng-Latn", "und-Zyyy", "zho-Hans"]}
    assert metadata.dataset == {"path": str(folder), "revision": suite.fingerprint}


def test_what_is_no_data_set_is_named(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="has no task I2X: it has I2T, "):
        tasks(folder, ["I2X"])
    with pytest.raises(ConfigError, match="no data set of `uninote corpus mteb`"):
        tasks(tmp_path)
    (tmp_path / "tasks.json").write_text(json.dumps({"tasks": {}}))
    with pytest.raises(ConfigError, match="no data set of `uninote corpus mteb`"):
        tasks(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="nobody/nothing is no data set"):
        tasks("nobody/nothing")
