"""One-vector ranker: an item encoder with the interface of the baselines."""

from __future__ import annotations

from collections.abc import Sequence

from uninote.evaluation.protocols import Ids, ItemEncoder, Json
from uninote.evaluation.search import nearest
from uninote.evaluation.suite import TaskSuite
from uninote.evaluation.vectors import ItemVectors
from uninote.items import Note


class OneVector:
    """Ranker by the cosine of one vector per item; tasks share the vectors of equal items.

    Attributes:
        vectors: the vectors of all items encoded so far.
    """

    def __init__(self, encoder: ItemEncoder, progress: bool = False) -> None:
        self.width = max(encoder.dims)
        self.vectors = ItemVectors(encoder, progress)

    def rank(self, task: TaskSuite, k: int) -> Ids:
        """Return int64 `[q, k]`, padded with -1."""
        queries = [query.item for query in task.queries]
        self.vectors.add(task.targets)
        self.vectors.add(queries, task.instruction)
        return nearest(task, self.vectors.of(queries, task.instruction), self.vectors.of(task.targets), k)[1]

    def blind_spot(self, task: TaskSuite) -> str:
        return ""

    def cost(self, notes: Sequence[Note]) -> Json:
        return {"bytes_per_note": 4.0 * self.width, "vectors_per_note": 1.0, "dim": self.width}
