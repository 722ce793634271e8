"""Small experiments on the built-in sample: every kind of stage, and what a second call does again."""

from __future__ import annotations

import json
import shutil

import pytest

from uninote.pipeline.bench import runs
from uninote.pipeline.bench.definition import Experiment
from uninote.pipeline.bench.run import run_experiments
from uninote.sample.notes import write_sample
from uninote.settings import RelationSettings, load_settings

pytestmark = pytest.mark.slow

SFT = {"steps": 2, "batch_size": 4, "candidates": "own", "save_every": 2}
RL = {"steps": 2, "batch_size": 2, "save_every": 2, "noise": 2, "group_size": 4}


def experiment(**fields) -> Experiment:
    settings = {"sft": SFT, "rl": RL, "negatives": {"per_query": 2}, "evaluation": {"ks": [1, 5, 10]}}
    return Experiment.model_validate({"title": "t", "settings": settings, "seeds": [0, 1]} | fields)


@pytest.fixture(scope="module")
def settings():
    return load_settings(encoder={"read": "given", "vision_side": 32, "dims": [64, 384]})


@pytest.mark.usefixtures("small_towers_once")
def test_stages_resume_and_share_runs(sample, settings, tmp_path, monkeypatch):
    stages = experiment(
        name="stages",
        variants={
            "dual tower": {"stage": "dual tower"},
            "base": {"stage": "base"},
            "sft": {},
            "rl": {"stage": "rl"},
            "half": {"stage": "rl", "merge": 0.5},
        },
        columns=["mean", "dim 64", "Note2Note"],
    )
    options = {
        "name": "options",
        "start": "base",
        "variants": {
            "plain": {"start": "warmup"},
            "pixels": {"settings": {"tasks": {"modal_replacement": False}}},
            "whole": {"settings": {"negatives": {"composite": "whole"}}},
            "again": {"rounds": 2},
            "wide": {"settings": {"encoder": {"dims": [384]}}},
        },
    }
    told: list[str] = []
    both = [stages, experiment(**options)]
    call = (sample, settings, tmp_path / "out", tmp_path / "results")
    tables = run_experiments(both, *call, seeds=[0], tell=told.append)
    assert len(told) == 10
    assert [row[0] for row in tables["stages"].rows] == list(stages.variants)
    assert tables["stages"].rows[0][2] is None  # late fusion has no prefixes
    assert all(row[1] is not None for row in tables["options"].rows)
    # The same settings in two experiments are one run: 9 results of 10 variants.
    assert len(list((tmp_path / "out").rglob("runs/*.json"))) == 9
    assert not list((tmp_path / "out").rglob("training/*"))

    monkeypatch.setattr(runs.Plan, "measure", lambda self: pytest.fail("a finished run is done again"))
    assert run_experiments(both, *call, seeds=[0]) == tables
    assert run_experiments(both, *call, seeds=[0, 1], train=False).keys() == tables.keys()
    assert run_experiments(both, *call, seeds=[1], train=False) == {}


def test_workers_train_the_same(settings, tmp_path, monkeypatch):
    sample = write_sample(tmp_path / "sample", 16, seed=3)
    quick = {"annotate": {"ocr": "existing"}, "evaluation": {"near_misses": ""}}
    settings = load_settings(encoder=settings.encoder.model_dump(exclude_unset=True), **quick)
    both = experiment(name="both", variants={"sft": {}, "rl": {"stage": "rl"}, "again": {}})
    plain = run_experiments([both], sample, settings, tmp_path / "plain", tmp_path / "plain-results")
    # Outputs of the towers: what the workers do again is the training.
    shutil.copytree(tmp_path / "plain" / "cache", tmp_path / "many" / "cache")
    call = ([both], sample, settings, tmp_path / "many")
    with monkeypatch.context() as patch:
        patch.setattr(runs.Plan, "measure", lambda self: pytest.fail("left to the main process"))
        assert run_experiments(*call, tmp_path / "results", workers=2) == plain
    names = [{file.name for file in (tmp_path / out).rglob("runs/*.json")} for out in ("plain", "many")]
    assert names[0] == names[1]
    assert len(names[0]) == 4  # sft and rl of two seeds


@pytest.mark.usefixtures("small_towers_once")
def test_relations_join_both_stages_and_are_measured(sample, settings, tmp_path):
    ids = [json.loads(line)["id"] for line in sample.read_text().splitlines()]
    rows = [f"{one},{other},1" for k, one in enumerate(ids) for other in ids[k + 1 :]]
    file = tmp_path / "pairs.csv"
    file.write_text("\n".join(["item,other,weight", *rows]))
    related = settings.model_copy(update={"relations": RelationSettings(file=str(file))})
    variants = {"both": {"stage": "rl"}, "halves": {"stage": "rl", "settings": {"rl": {"relations": 0}}}}
    variants["none"] = {"settings": {"sft": {"relations": False}}}
    ranked = experiment(name="ranked", variants=variants, columns=["Relations", "Relations ndcg@10"])
    found = run_experiments([ranked], sample, related, tmp_path / "out", tmp_path / "results", seeds=[0])
    assert all(cell is not None for row in found["ranked"].rows for cell in row)
    assert (
        len(list((tmp_path / "out").rglob("models/*.safetensors"))) == 5
    )  # warmed up, 2 of stage 1, 2 of stage 2
