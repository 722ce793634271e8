"""Training steps scaled to the number of notes, for a run whose user named none."""

from __future__ import annotations

from uninote.encoder.capabilities import Remembers
from uninote.encoder.registry import backbone_class
from uninote.settings import Settings

STEPS = (50, 2000)
"""Fewest and most steps of stage 1 on frozen towers: such a step takes half a second on two cores."""
DEEP_STEPS = (24, 300)
"""Fewest and most steps of stage 1 of a backbone that trains as a whole."""
RL_STEPS = (30, 400)
"""Fewest and most steps of stage 2."""


def scaled_to(settings: Settings, n_notes: int) -> Settings:
    """Scale the steps of both stages to `n_notes` training notes; steps that were set stay.

    Stage 1 takes a third of a step per note on frozen towers (batches of one task each), an eighth elsewhere;
    stage 2 takes an eighth. A lower bound makes training on a small sample worthwhile; an upper one keeps a
    large collection within the hour.
    """
    sft, rl = settings.sft, settings.rl
    frozen = issubclass(backbone_class(type(settings.encoder)), Remembers)
    if "steps" not in sft.model_fields_set:
        steps = within(n_notes // 3, STEPS) if frozen else within(n_notes // 8, DEEP_STEPS)
        sft = sft.model_copy(update={"steps": steps, "save_every": max(10, steps // 6)})
    if "steps" not in rl.model_fields_set:
        steps = within(n_notes // 8, RL_STEPS)
        rl = rl.model_copy(update={"steps": steps, "save_every": max(8, steps // 4)})
    return settings.model_copy(update={"sft": sft, "rl": rl})


def within(steps: int, bounds: tuple[int, int]) -> int:
    """Return the number nearest to `steps` within the bounds."""
    fewest, most = bounds
    return min(max(steps, fewest), most)
