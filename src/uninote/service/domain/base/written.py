"""Result of a write that replaces: the row in force, what it replaced, and whether anything changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

Row = TypeVar("Row")
Before = TypeVar("Before")


@dataclass(frozen=True)
class Written(Generic[Row, Before]):
    """The row as it is stored now. before: what was in force until then, None if it is new."""

    row: Row
    before: Before | None
    changed: bool

    @property
    def status(self) -> Literal["created", "replaced", "unchanged"]:
        if not self.changed:
            return "unchanged"
        return "created" if self.before is None else "replaced"
