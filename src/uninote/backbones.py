"""Registry of backbones: each by its name, with the class of its settings, imported at first use.

A package of its own registers without an edit here, by an entry point of the group `uninote.backbones`:

    [project.entry-points."uninote.backbones"]
    siglip-e5 = "my_package.settings:SiglipSettings"
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

GROUP = "uninote.backbones"

BACKBONES: dict[str, str] = {
    "compact": "uninote.encoder.compact.settings:CompactSettings",
    "qwen-vl": "uninote.encoder.qwen.settings:QwenSettings",
}
"""Paths of subclasses of `EncoderSettings`, which name the class of the backbone (`implementation`)."""


@cache
def installed() -> dict[str, str]:
    """Return the paths that other packages register."""
    return {entry.name: entry.value for entry in entry_points(group=GROUP)}


def named(name: str) -> str:
    """Return the path registered for `name`. Raises ValueError that lists the names there are."""
    known = installed() | BACKBONES
    if name not in known:
        raise ValueError(f"there is no backbone {name!r}: choose one of {', '.join(sorted(known))}")
    return known[name]


def default_name(model: object) -> str:
    """Return the backbone of options that name none: with a pretrained `model` Qwen-VL, else compact."""
    return "qwen-vl" if model else "compact"
