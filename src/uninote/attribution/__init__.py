"""Attribution: the contribution of each picture and sentence to the similarity of two items. No torch."""

from uninote.attribution.contributions import Contribution, Explanation, explain
from uninote.attribution.pieces import Piece

__all__ = ["Contribution", "Explanation", "Piece", "explain"]
