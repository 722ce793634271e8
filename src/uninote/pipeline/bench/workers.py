"""Parallel training of several experiments: several processes, each model trained by one of them.

Work proceeds stage by stage. Jobs of one stage are independent, and the next stage starts from models in the
folder of the runs.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from uninote.errors import UniNoteError
from uninote.pipeline.bench.corpus import BenchCorpus, SeedCorpus
from uninote.pipeline.bench.definition import Experiment, Variant
from uninote.pipeline.bench.runs import Plan, Runs
from uninote.progress import show_progress
from uninote.settings import Settings


@dataclass(frozen=True)
class Place:
    """Addresses of corpus and runs, for a process to open."""

    notes: Path
    settings: str
    out: Path
    measured: str


@dataclass(frozen=True)
class Job:
    experiment: Experiment
    variant: Variant
    seed: int


Wave = dict[str, Job]
"""Jobs by the key of their result: of jobs with the same result one is enough."""


@cache
def _corpus(place: Place) -> tuple[BenchCorpus, Runs]:
    torch.set_num_threads(1)
    threadpool_limits(1)
    settings = Settings.model_validate_json(place.settings)
    corpus = BenchCorpus(place.notes, settings, place.out / "cache")
    return corpus, Runs(place.out / corpus.key)


@cache
def _of_seed(place: Place, seed: int) -> SeedCorpus:
    return SeedCorpus(_corpus(place)[0], seed, place.measured)


def _work(place: Place, job: Job, stage: str) -> None:
    """Run a job in a worker. A failure is left to the main process, which tries again and reports it."""
    with suppress(UniNoteError):
        corpus, runs = _of_seed(place, job.seed), _corpus(place)[1]
        if stage == "measure":
            runs.result(job.experiment, job.variant, corpus)
        else:
            getattr(Plan(runs, job.experiment, job.variant, corpus), stage)()


def waves(jobs: Sequence[Job], runs: Runs, corpus: SeedCorpus) -> dict[str, Wave]:
    """Return the unfinished jobs of a seed, by stage: warmed-up model, stage 1, stage 2, evaluation."""
    found: dict[str, Wave] = {"warm": {}, "sft": {}, "rl": {}, "measure": {}}
    for job in jobs:
        plan = Plan(runs, job.experiment, job.variant, corpus)
        if runs.finished(plan.key):
            continue
        if plan.stage != "base":
            found["warm"].setdefault(plan.warm_key, job)
        if plan.stage in ("sft", "rl"):
            found["sft"].setdefault(plan.sft_key, job)
        if plan.stage == "rl":
            found["rl"].setdefault(plan.rl_key, job)
        found["measure"].setdefault(plan.key, job)
    return found


def run_ahead(
    corpus: BenchCorpus,
    runs: Runs,
    jobs: Sequence[Job],
    out: Path,
    measured: str,
    workers: int,
    progress: bool = False,
) -> None:
    """Finish `jobs`, seed by seed, on `workers` processes of one thread each, which share a GPU."""
    of_seed: dict[int, list[Job]] = {}
    for job in jobs:
        of_seed.setdefault(job.seed, []).append(job)
    todo = [waves(some, runs, SeedCorpus(corpus, seed, measured)) for seed, some in of_seed.items()]
    if not any(wave["measure"] for wave in todo):
        return
    settings = corpus.settings.model_dump_json(exclude_unset=True)
    place = Place(corpus.source.absolute(), settings, out, measured)
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        for seed, stages in zip(of_seed, todo, strict=True):
            for stage, wave in stages.items():
                with show_progress(f"seed {seed}: {stage}", len(wave), show=progress) as bar:
                    futures: list[Future[None]] = [
                        pool.submit(_work, place, job, stage) for job in wave.values()
                    ]
                    for future in as_completed(futures):
                        future.result()
                        bar.advance()
