"""MTEB, the embedding benchmark: an encoder as one of its models, and the tasks as a data set that it reads.

The names load at first use: writing a data set needs no mteb.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninote.lazy import lazy_names

if TYPE_CHECKING:
    from uninote.mteb.dataset import write_dataset
    from uninote.mteb.model import MtebModel
    from uninote.mteb.tasks import tasks

__all__ = ["MtebModel", "tasks", "write_dataset"]

__getattr__ = lazy_names(__name__, {"MtebModel": "model", "tasks": "tasks", "write_dataset": "dataset"})
