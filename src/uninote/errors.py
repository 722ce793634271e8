"""Error hierarchy of the project. Every message names the fault and its fix.

The CLI prints the message of any `UniNoteError` on one line and exits with code 2.
"""

from __future__ import annotations

import re
from pathlib import PurePath

_ADDRESS = re.compile(r" ?<[\w.]+(?: \w+)* at 0x[0-9a-f]+>")
_LONGEST = 500
_PLAIN = {
    "MemoryError": "not enough memory",
    "TimeoutError": "it took too long",
    "RecursionError": "it is nested too deeply",
    "EOFError": "it ends too early",
}


def reason_of(error: BaseException) -> str:
    """Return why something failed, on one line that is never empty, for the message of another error.

    Numbers of system errors and addresses in memory are left out, of a file only the name is kept, and an
    error that says nothing is named by its type.
    """
    if isinstance(error, UniNoteError) and str(error):
        return str(error)
    text = getattr(error, "strerror", None) or str(error)
    if isinstance(error, OSError) and error.strerror and isinstance(error.filename, str):
        text = f"{error.strerror}: {PurePath(error.filename).name}"
    if isinstance(error, KeyError) and error.args:
        text = f"{error.args[0]!r} is missing"
    if isinstance(error, UnicodeDecodeError):
        text = f"it is not {error.encoding} at byte {error.start}"
    text = _ADDRESS.sub("", " ".join(str(text).split()))
    name = type(error).__name__
    return text[:_LONGEST] or _PLAIN.get(name, name)


class UniNoteError(Exception):
    """Base of every error that a user can cause and fix. `code` is stable and meant for programs."""

    code = "invalid"


class ConfigError(UniNoteError):
    """A setting is unknown, out of range, or contradicts another."""


class MissingExtraError(ConfigError, ImportError):
    """A package of one of the project's extras is not installed."""


class NoteError(UniNoteError):
    """One note cannot be used (empty, duplicate id, bad field); the rest of the batch continues."""


class PictureError(NoteError):
    """One picture cannot be used (truncated, too large, zero size, unknown format)."""


class TooLargePicture(PictureError):
    """One picture or video frame has more bytes or pixels than the caps of `corpus` allow."""


class UnsupportedPicture(PictureError):
    """One picture or video has a format that is never decoded."""


class ItemError(UniNoteError):
    """One item cannot be embedded (no parts, nothing readable)."""

    code = "bad_item"


def item_error(cause: Exception, message: str = "") -> ItemError:
    """Return the ItemError of an item that fails by another error, whose message is the default."""
    error = ItemError(message or str(cause))
    error.__cause__ = cause
    return error


class PartError(ItemError):
    """Parts of one item cannot be used; it was embedded by the others."""


class VectorError(UniNoteError):
    """A vector is NaN, all zero, or of the wrong dimension."""

    code = "bad_vector"


class CalibrationError(UniNoteError):
    """No threshold can be chosen: there are no usable scores or labels, or none reaches the target."""


class StoreError(UniNoteError):
    """The store cannot be reached, or was asked for something it does not hold."""

    code = "database"


class IncompleteError(StoreError):
    """The index does not find all that was asked for, and comparing every record would take too long."""


class ModelError(UniNoteError):
    """A model folder is missing, incomplete, or not trained for the requested use."""

    code = "bad_model"


class RenderingError(ModelError):
    """A model was trained with another `items.RENDERING`. The message names its folder without the path."""
