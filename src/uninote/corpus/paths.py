"""Confinement of untrusted paths: a path found in data may point only into the folder of that data."""

from __future__ import annotations

from pathlib import Path

from uninote.errors import PictureError, reason_of


def resolve_inside(base: Path | None, name: str) -> Path:
    """Resolve `name` against the folder `base`, following symbolic links.

    Raises PictureError when the result lies outside `base`, when there is no `base` (then only embedded
    bytes are allowed), or when `name` is no path at all.
    """
    if base is None:
        raise PictureError(f"{name!r} is a path, but only embedded bytes are allowed here; give base_dir")
    try:
        root = base.resolve()
        path = (root / name).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # NUL, name too long, link loop
        raise PictureError(f"{name!r} is not a usable path: {reason_of(error)}") from error
    if not path.is_relative_to(root):
        raise PictureError(f"{name!r} points outside the folder of the notes; put the file inside it")
    return path
