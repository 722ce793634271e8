"""Training of all stages from notes, each model in a folder of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from accelerate import PartialState

from uninote.corpus.relations.graph import Relations
from uninote.encoder import Encoder
from uninote.encoder.capabilities import Remembers, WarmsUp
from uninote.encoder.loading import load_encoder
from uninote.encoder.registry import backbone_class
from uninote.encoder.saved import Saved
from uninote.items import Note
from uninote.negatives import Example, ReferenceIndex, mine_from_index, pair_items
from uninote.pipeline.trained_relations import pairs_of_examples, pairs_of_rankings, record
from uninote.settings import Settings
from uninote.tasks.definitions import SFT_TASKS, Pair
from uninote.tasks.dropout import without_texts
from uninote.tasks.pairs import lot, make_pairs, pairs_per_task
from uninote.tasks.related import related_pairs
from uninote.training.joint import StageOne
from uninote.training.rl import rl_halves, train_rl
from uninote.training.sft import train_sft
from uninote.training.warmup import aligned_pairs, warm_up, warm_up_steps

WARMUP_PAIRS = 5000
"""Most pairs of a task in the warm-up."""
DRAW = 0
"""Seed that chooses the picture of a note for its pair in a note task, the same for every seed of a run: each
pair masks its note in its own way, and the text towers have to read what was masked."""


def stages_of(settings: Settings) -> tuple[str, ...]:
    """Return the stages of the settings' backbone, in order; not every backbone has a warm-up."""
    warms_up = issubclass(backbone_class(type(settings.encoder)), WarmsUp)
    return ("base", *(("warmup",) if warms_up else ()), "sft", "rl")


def save_once(encoder: Encoder, folder: Path) -> None:
    """Save in the first process under `torchrun`; the others continue when the folder is whole."""
    processes = PartialState(cpu=encoder.device.type == "cpu")
    if processes.is_main_process:
        encoder.save(folder)
    processes.wait_for_everyone()
    encoder.version = Saved(folder).version


def base_model(settings: Settings, folder: Path, features: Path | None = None) -> Encoder:
    """Save the untrained model, so that it is measured like every other stage."""
    encoder = Encoder.build(settings.encoder, settings.corpus, features, settings.seed)
    save_once(encoder, folder)
    return encoder


def warmed_up_model(
    base: Path, notes: Sequence[Note], settings: Settings, folder: Path, features: Path | None, progress: bool
) -> Encoder:
    """Train the warm-up from the model in `base`; the result is also the reference encoder of stage 1."""
    encoder = load_encoder(base, settings, features)
    pairs = drawn_pairs(notes, WARMUP_PAIRS, settings)
    seen = without_texts(pairs, settings.sft.text_dropout, settings.seed)
    steps = warm_up_steps(len(aligned_pairs(pairs)))
    warm_up(encoder, seen, steps, settings.seed, progress, folder / "run")
    save_once(encoder, folder)
    return encoder


def training_pairs(
    notes: Sequence[Note], settings: Settings, relations: Relations | None = None
) -> list[Pair]:
    """Draw the pairs of stage 1, at most as many as its steps use: mining each costs time.

    relations: related notes, whose pairs join those of the tasks (`sft.relations`).
    """
    most, related = pairs_per_task(settings.sft), relations if settings.sft.relations else None
    return drawn_pairs(notes, most, settings) + related_pairs(
        notes, related or Relations(), most, settings.seed
    )


def drawn_pairs(notes: Sequence[Note], most: int, settings: Settings) -> list[Pair]:
    """Draw at most `most` pairs of each of the tasks of stage 1, by a hash of note and picture.

    On frozen towers a note task gets one pair of a note.
    """
    frozen = issubclass(backbone_class(type(settings.encoder)), Remembers)
    by_lot, replaced = partial(lot, settings.seed), settings.tasks.modal_replacement
    made = (
        make_pairs(
            notes,
            task,
            per_note=1 if frozen and task.spec.one_per_note else None,
            seed=DRAW,
            modal_replacement=replaced,
        )
        for task in SFT_TASKS
    )
    return [pair for pairs in made for pair in sorted(pairs, key=by_lot)[:most]]


def stage_one(
    start: Path,
    notes: Sequence[Note],
    settings: Settings,
    folder: Path,
    features: Path | None,
    progress: bool,
    mined: StageOne | None = None,
) -> Encoder:
    """Train stage 1 on `mined`, by default on `mined_examples` of the start model."""
    mined = mined or mined_examples(start, notes, settings, features)
    return sft_model(
        start, mined.examples, mined.reference, settings, folder, features, progress, mined.until
    )


def mined_examples(
    start: Path,
    notes: Sequence[Note],
    settings: Settings,
    features: Path | None,
    relations: Relations | None = None,
) -> StageOne:
    """Return the training set of stage 1; `start`: the model that it starts from, the reference encoder."""
    drawn = training_pairs(notes, settings, relations)
    pairs = without_texts(drawn, settings.sft.text_dropout, settings.seed)
    whole = settings.negatives.composite == "whole"
    index = ReferenceIndex(pair_items(pairs), load_encoder(start, settings, features), whole)
    mined = mine_from_index(pairs, index, settings.negatives, settings.seed)
    return StageOne(mined, index, settings.sft, relations.until if relations else None)


def sft_model(
    start: Path,
    examples: Sequence[Example],
    reference: ReferenceIndex,
    settings: Settings,
    folder: Path,
    features: Path | None,
    progress: bool,
    until: float | None = None,
) -> Encoder:
    """Train stage 1 from the model in `start`; checkpoints and metrics in `folder`/run.

    until: see `StageOne`.
    """
    encoder = load_encoder(start, settings, features)
    train_sft(
        encoder, examples, reference, settings.sft, folder / "run", seed=settings.seed, progress=progress
    )
    save_once(encoder, folder)
    record(folder, pairs_of_examples(examples), until, [start])
    return encoder


def rl_model(
    start: Path,
    notes: Sequence[Note],
    settings: Settings,
    folder: Path,
    features: Path | None,
    progress: bool,
    joint: StageOne | None = None,
    run: Path | None = None,
    relations: Relations | None = None,
) -> Encoder:
    """Train stage 2 from the model in `start`.

    Args:
        joint: training set of stage 1, batches of which join the steps (`rl.mix`).
        run: folder of checkpoints and metrics; `folder`/run if None.
        relations: related notes, to rank in place of halves (`rl.relations`).
    """
    encoder = load_encoder(start, settings, features)
    run = run or folder / "run"
    samples = rl_halves(notes, settings.rl, settings.seed, relations)
    train_rl(
        encoder,
        notes,
        settings.rl,
        run,
        seed=settings.seed,
        progress=progress,
        samples=samples,
        stage_one=joint,
    )
    save_once(encoder, folder)
    trained = [*pairs_of_rankings(samples), *pairs_of_examples(joint.examples if joint else ())]
    times = [known.until for known in (relations, joint) if known and known.until is not None]
    record(folder, trained, max(times, default=None), [start])
    return encoder
