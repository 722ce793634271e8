"""Errors of a Milvus cluster: those that pass when it has started, and their text on one line."""

from __future__ import annotations

import re

from pymilvus.exceptions import MilvusException

_PASSING = re.compile(
    r"not (fully )?loaded|loading|no available|not ready|not healthy|unavailable|node not|channel|recover|"
    r"fail to get shard|connect|Deadline|offline",
    re.IGNORECASE,
)


def recovering(error: MilvusException) -> bool:
    """Return whether the server is starting, or loads its collections."""
    return bool(_PASSING.search(str(error)))


def one_line(error: MilvusException) -> str:
    """Return the error's text on one line, cut to 500 characters."""
    return " ".join(str(error).split())[:500]
