"""Order of the work of parallel runs, and what the keys of their results depend on."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from uninote.pipeline.bench.corpus import BenchCorpus
from uninote.pipeline.bench.definition import Experiment
from uninote.pipeline.bench.runs import Plan, Runs
from uninote.pipeline.bench.workers import Job, waves
from uninote.settings import load_settings

POOLING = Experiment.model_validate(
    {
        "name": "pooling",
        "title": "t",
        "variants": {
            "both": {},
            "mean": {"settings": {"encoder": {"pooling": "mean"}}},
            "mean, warmed up": {"stage": "warmup", "settings": {"encoder": {"pooling": "mean"}}},
            "rl": {"stage": "rl"},
        },
    }
)


def of_seed(near: object = len) -> Any:
    settings = load_settings()
    own = SimpleNamespace(settings=settings)
    corpus = SimpleNamespace(
        key="notes", near=near, encoder_settings=lambda wanted: BenchCorpus.encoder_settings(own, wanted)
    )
    return SimpleNamespace(corpus=corpus, seed=0, measured="test")


def test_every_pooling_is_warmed_up_before_stage_1(tmp_path: Path) -> None:
    jobs = [Job(POOLING, variant, 0) for variant in POOLING.variants.values()]
    found = waves(jobs, Runs(tmp_path), of_seed())
    assert {stage: len(wave) for stage, wave in found.items()} == {"warm": 2, "sft": 2, "rl": 1, "measure": 4}


def test_a_result_without_near_misses_is_measured_again_once_there_are(tmp_path: Path) -> None:
    keys = {
        Plan(Runs(tmp_path), POOLING, POOLING.variants["both"], of_seed(near)).key for near in (None, len)
    }
    assert len(keys) == 2
