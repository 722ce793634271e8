"""Export of trained models: sentence-transformers, transformers and its servers, ONNX, the hub.

The names load at first use: each format needs its own library only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uninote.lazy import lazy_names

if TYPE_CHECKING:
    from uninote.export.hub import push_to_hub
    from uninote.export.messages import ServerMessages
    from uninote.export.run import export_model
    from uninote.export.sentence_transformer import UniNoteModule, load_sentence_transformer

__all__ = ["ServerMessages", "UniNoteModule", "export_model", "load_sentence_transformer", "push_to_hub"]

__getattr__ = lazy_names(
    __name__,
    {
        "ServerMessages": "messages",
        "UniNoteModule": "sentence_transformer",
        "export_model": "run",
        "load_sentence_transformer": "sentence_transformer",
        "push_to_hub": "hub",
    },
)
