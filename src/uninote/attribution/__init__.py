"""Why two items are similar: the contribution of each picture and each sentence, by any encoder. No torch."""

from uninote.attribution.contributions import Contribution, Explanation, explain
from uninote.attribution.pieces import Piece

__all__ = ["Contribution", "Explanation", "Piece", "explain"]
