"""Training steps scaled to the number of notes, for a run whose user named none."""

from __future__ import annotations

from uninote.settings import Settings


def scaled_to(settings: Settings, n_notes: int) -> Settings:
    """Steps that suit `n_notes` training notes on a laptop CPU; steps that were set are left alone.

    Both stages see a note a few times: an eighth of a step a note in stage 1 (batches of one task each) and
    twice that in stage 2, whose steps are cheap, within bounds that keep a small sample worth training on
    and a large collection within the hour.
    """
    sft, rl = settings.sft, settings.rl
    if "steps" not in sft.model_fields_set:
        steps = min(max(n_notes // 8, 24), sft.steps)
        sft = sft.model_copy(update={"steps": steps, "save_every": max(10, steps // 6)})
    if "steps" not in rl.model_fields_set:
        steps = min(max(n_notes // 4, 30), rl.steps)
        rl = rl.model_copy(update={"steps": steps, "save_every": max(8, steps // 4)})
    return settings.model_copy(update={"sft": sft, "rl": rl})
