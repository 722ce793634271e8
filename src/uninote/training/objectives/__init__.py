"""Stage 1 objectives by the name that `SftSettings.objective` gives them."""

from uninote.training.objectives.infonce import infonce
from uninote.training.objectives.jensen_shannon import jensen_shannon
from uninote.training.objectives.kl import kl
from uninote.training.objectives.matryoshka import matryoshka_loss, prefix_cosines
from uninote.training.objectives.protocol import Objective
from uninote.training.objectives.symmetric_kl import symmetric_kl

OBJECTIVES: dict[str, Objective] = {
    "symmetric_kl": symmetric_kl,
    "jensen_shannon": jensen_shannon,
    "kl": kl,
    "infonce": infonce,
}

__all__ = ["OBJECTIVES", "Objective", "matryoshka_loss", "prefix_cosines"]
