"""sentence-transformers as the reference of a benchmark, on the same weights, prompts and pictures as ours.

It loads Qwen-VL through torchvision, which the project itself does without: `make .peer/installed` puts it
into a folder of its own, `.peer`, that only benchmarks look into. Import this module before transformers,
which looks for torchvision once.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from PIL import Image

PEER = Path(__file__).parent.parent / ".peer"


def find_torchvision() -> bool:
    """Make torchvision importable. Returns whether it is.

    The package of the registry is built for CUDA. Where its operators cannot be loaded they are declared: the
    peer uses torchvision only to resize, which is plain torch.
    """
    if importlib.util.find_spec("torchvision") is None and PEER.is_dir():
        sys.path.append(str(PEER))
    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        import torchvision
    except RuntimeError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        find_torchvision.library = library  # type: ignore[attr-defined]  # they last as long as this object
        import torchvision  # noqa: F401
    return True


MISSING = (
    ""
    if find_torchvision()
    else "sentence-transformers reads pictures with torchvision: `make .peer/installed`"
)
"""Instruction for the user before `peer_of` works; empty when it does."""
if importlib.util.find_spec("sentence_transformers") is None:
    MISSING = "sentence-transformers is not installed: pip install 'uninote[export]'"

from uninote import Encoder, Item  # noqa: E402


def as_messages(item: Item) -> list[dict[str, Any]]:
    """Return a user's chat message with texts and pictures in order, which both sides render alike.

    Pictures are opened, not decoded, as by the library's datasets: each is decoded when its batch is
    processed, as on the other side. Given paths, it needs torchvision's decoder.
    """
    content = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image", "image": Image.open(str(part.path))}
        for part in item.parts
    ]
    return [{"role": "user", "content": content}]


def peer_version() -> str:
    """Return the name and version of the library, as results state it."""
    return f"sentence-transformers {version('sentence-transformers')}"


def peer_of(encoder: Encoder, folder: Path, device: str = "cpu", **options: Any) -> Any:
    """Convert the encoder to a `SentenceTransformer` of the library's own modules. Merges its adapters.

    Exits with a message that names the fix when something is missing.
    """
    if MISSING:
        sys.exit(MISSING)
    from sentence_transformers import SentenceTransformer

    from uninote.export import export_model

    return SentenceTransformer(str(export_model(encoder, folder)), device=device, **options)
