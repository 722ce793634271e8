"""Runner of experiments: all variants and seeds, one after the other; killed, the next call resumes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from uninote.errors import UniNoteError, reason_of
from uninote.evaluation.protocols import Json
from uninote.evaluation.tables import Table
from uninote.pipeline.bench.corpus import BenchCorpus, SeedCorpus
from uninote.pipeline.bench.definition import Experiment
from uninote.pipeline.bench.report import write_report
from uninote.pipeline.bench.runs import Runs
from uninote.pipeline.bench.workers import Job, run_ahead
from uninote.progress import show_progress
from uninote.settings import Settings


def run_experiments(
    experiments: Sequence[Experiment],
    notes: Path,
    settings: Settings,
    out: Path,
    results: Path,
    *,
    seeds: Sequence[int] | None = None,
    measured: str = "test",
    options: Sequence[str] = (),
    train: bool = True,
    workers: int = 1,
    progress: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> dict[str, Table]:
    """Return tables by name of the experiment; files in `results` are written again after every seed.

    Seeds are the outer loop: after the first one, every table is there, without intervals.

    Args:
        settings: settings of corpus, annotation and encoder, which all experiments share; training settings
            override theirs.
        out: folder of files that may be deleted: caches, models, and results per run.
        seeds: seeds instead of the experiments' own.
        measured: the split to measure on; `validation` is for choosing settings.
        options: other options of the command line, for the line that repeats a table.
        train: False: report only the finished runs, e.g. of other processes with other seeds.
        workers: number of processes that train at once.
        tell: called with a line per finished run.

    Raises the first error of a run, after all others were tried: one failed variant does not stop the rest.
    """
    experiments = [experiment.under(settings) for experiment in experiments]
    corpus = BenchCorpus(notes, settings, out / "cache", progress)
    runs = Runs(out / corpus.key)
    found: dict[str, dict[str, dict[int, Json]]] = {e.name: {v: {} for v in e.variants} for e in experiments}
    order = list(dict.fromkeys(seed for e in experiments for seed in (seeds or e.seeds)))
    todo = [(s, e) for s in order for e in experiments if s in (seeds or e.seeds)]
    failures: list[UniNoteError] = []
    tables: dict[str, Table] = {}
    of_seed: dict[int, SeedCorpus] = {}
    if train:
        corpus.remember(progress)  # in the same batches whatever the workers
    if train and workers > 1:
        jobs = [Job(e, variant, seed) for seed, e in todo for variant in e.variants.values()]
        run_ahead(corpus, runs, jobs, out, measured, workers, progress)
    with show_progress("runs", sum(len(e.variants) for _, e in todo), show=progress) as bar:
        for seed, experiment in todo:
            if seed not in of_seed:
                of_seed = {seed: SeedCorpus(corpus, seed, measured)}
            for name, variant in experiment.variants.items():
                bar.describe(f"{experiment.name}: {name}, seed {seed}")
                try:
                    result = runs.result(experiment, variant, of_seed[seed], train)
                except UniNoteError as error:
                    failures.append(error)
                    tell(f"{experiment.name}: {name}, seed {seed}: {reason_of(error)}")
                else:
                    if result is None:
                        tell(f"{experiment.name}: {name}, seed {seed}: not run")
                        continue
                    found[experiment.name][name][seed] = result
                    tell(f"{experiment.name}: {name}, seed {seed}: {result['seconds']} s")
                bar.advance()
            if not any(found[experiment.name].values()):
                continue
            tables[experiment.name] = write_report(
                experiment,
                found[experiment.name],
                results,
                _command(experiment, notes, seeds, options),
                _facts(corpus, measured),
            )
        bar.describe("runs")
    if failures:
        raise failures[0]
    return tables


def _command(experiment: Experiment, notes: Path, seeds: Sequence[int] | None, options: Sequence[str]) -> str:
    words = ["uninote bench run", experiment.name, "--notes", notes.name]
    if seeds:
        words += ["--seeds", ",".join(map(str, seeds))]
    return " ".join([*words, *options])


def _facts(corpus: BenchCorpus, measured: str) -> str:
    """Describe the notes of a table."""
    share = corpus.settings.corpus
    part = share.test_fraction if measured == "test" else share.validation_fraction
    pictures = sum(len(note.pictures) for note in corpus.notes)
    return (
        f"{len(corpus.notes):,} notes with {pictures:,} pictures, "
        f"{100 * part:g} % of the notes held out to measure ({measured})."
    )
