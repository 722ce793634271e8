"""Training of all stages of a run: each kept as a finished step, the last one merged with stage 1."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path

from rich.console import Console

from uninote.corpus.relations.graph import Relations
from uninote.encoder import Encoder
from uninote.encoder.saved import Saved
from uninote.evaluation.suite import Suite
from uninote.items import Note
from uninote.pipeline import train
from uninote.pipeline.soup import best_merge
from uninote.pipeline.state import Json, RunState, fingerprint
from uninote.settings import Settings
from uninote.store.layout import layout_of
from uninote.training.joint import StageOne
from uninote.training.movement import read_movement


def train_stages(
    state: RunState,
    notes: list[Note],
    relations: Relations | None,
    validation: Callable[[], Suite | None],
    settings: Settings,
    features: Path,
    console: Console,
    progress: bool,
) -> tuple[dict[str, Path], float]:
    """Return the model folder of every stage of this backbone, trained where it does not exist yet.

    The last one is merged with stage 1. Returns its share of stage 2 as well, which is best on `validation`.
    """
    stages = train.stages_of(settings)
    models = {stage: state.path(f"model-{stage}") for stage in stages}
    start = models.get("warmup", models["base"])
    models["rl"] = state.path(f"model-rl-{fingerprint((), settings.rl)}")
    rest = (features, progress)

    @cache
    def mined() -> StageOne:
        return train.mined_examples(start, notes, settings, features, relations)

    def rank() -> Json:
        suite, merged = validation(), models["rl"]
        alone = merged if suite is None else merged.with_name(f"{merged.name}-alone")
        joint = mined() if settings.rl.mix else None
        encoder = train.rl_model(
            models["sft"], notes, settings, alone, *rest, joint, merged / "run", relations
        )
        if suite is None:
            return {"version": encoder.version, "share": 1.0, **moved(merged)}
        share, found = best_merge(models["sft"], alone, suite, settings, features, merged)
        shutil.rmtree(alone)
        for one, (parts, order) in found.items():
            console.print(
                f"{one:.0%} of stage 2: mean of the tasks with one target {100 * parts:.1f}, "
                f"Note2Note nDCG {100 * order:.1f} on validation notes"
            )
        return {"version": Saved(merged).version, "share": share, **moved(merged)}

    def moved(model: Path) -> Json:
        movement = read_movement(model / "run")
        if movement is None:
            return {}
        console.print(movement.sentence())
        return {"movement": asdict(movement)}

    def trained(stage: str, make: Callable[[], Encoder]) -> Json:
        return {"version": make().version, **moved(models[stage])}

    work: dict[str, Callable[[], Encoder]] = {
        "base": lambda: train.base_model(settings, models["base"], features),
        "warmup": lambda: train.warmed_up_model(models["base"], notes, settings, start, *rest),
        "sft": lambda: train.stage_one(start, notes, settings, models["sft"], *rest, mined()),
    }
    if "warmup" not in stages:
        console.print(f"no warm-up: the {settings.encoder.backbone} backbone cannot be warmed up")
    for stage in stages:
        console.rule(f"[bold]{stage}")
        depends = (settings.rl,) if stage == "rl" else ()
        run = rank if stage == "rl" else partial(trained, stage, work[stage])
        done = state.step(f"train-{stage}", run, *depends)
        if stage == "base":
            layout_of(Saved(models[stage]).dims, settings.store)  # its width is known only now
    return models, done["share"]
