"""UniNote: one embedding per item.

The names below load at first use (PEP 562), so that `import uninote` imports neither torch nor a model.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from uninote.lazy import lazy_names

if TYPE_CHECKING:
    from uninote.attribution import explain
    from uninote.corpus.readers import read_notes
    from uninote.corpus.skips import SkipReport
    from uninote.encoder import Encoder
    from uninote.errors import UniNoteError
    from uninote.evaluation.evaluate import evaluate
    from uninote.evaluation.suite import build_suite
    from uninote.items import Item, Note, Picture
    from uninote.negatives import ReferenceIndex, mine_examples
    from uninote.settings import Settings, load_settings
    from uninote.store.factory import open_store
    from uninote.store.protocol import Record
    from uninote.tasks.definitions import Task
    from uninote.tasks.pairs import make_pairs
    from uninote.training.rl import train_rl
    from uninote.training.sft import train_sft

__all__ = [
    "Encoder",
    "Item",
    "Note",
    "Picture",
    "Record",
    "ReferenceIndex",
    "Settings",
    "SkipReport",
    "Task",
    "UniNoteError",
    "build_suite",
    "evaluate",
    "explain",
    "load_settings",
    "make_pairs",
    "mine_examples",
    "open_store",
    "read_notes",
    "train_rl",
    "train_sft",
]

__version__ = version("uninote")

__getattr__ = lazy_names(
    __name__,
    {
        "Encoder": "encoder",
        "Item": "items",
        "Note": "items",
        "Picture": "items",
        "Record": "store.protocol",
        "ReferenceIndex": "negatives",
        "Settings": "settings",
        "SkipReport": "corpus.skips",
        "Task": "tasks.definitions",
        "UniNoteError": "errors",
        "build_suite": "evaluation.suite",
        "evaluate": "evaluation.evaluate",
        "explain": "attribution",
        "load_settings": "settings",
        "make_pairs": "tasks.pairs",
        "mine_examples": "negatives",
        "open_store": "store.factory",
        "read_notes": "corpus.readers",
        "train_rl": "training.rl",
        "train_sft": "training.sft",
    },
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
