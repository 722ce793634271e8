"""Training steps scaled to the number of notes, for a run whose user named none."""

from __future__ import annotations

from uninote.settings import Settings


def scaled_to(settings: Settings, n_notes: int) -> Settings:
    """Scale the steps of both stages to `n_notes` training notes on a laptop CPU; steps that were set stay.

    Stage 1 takes an eighth of a step per note (batches of one task each), stage 2 a quarter, as its steps are
    cheap. A lower bound makes training on a small sample worthwhile; an upper one keeps a large collection
    within the hour.
    """
    sft, rl = settings.sft, settings.rl
    if "steps" not in sft.model_fields_set:
        steps = min(max(n_notes // 8, 24), sft.steps)
        sft = sft.model_copy(update={"steps": steps, "save_every": max(10, steps // 6)})
    if "steps" not in rl.model_fields_set:
        steps = min(max(n_notes // 4, 30), rl.steps)
        rl = rl.model_copy(update={"steps": steps, "save_every": max(8, steps // 4)})
    return settings.model_copy(update={"sft": sft, "rl": rl})
