"""Reasons why a PostgreSQL server does not start, from its log, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

from uninote.store.account import Account

_WAYS_OUT = (
    (
        "incompatible with server",
        "make a backup with the release that made it (`uninote db backup`), and restore it with this one",
    ),
    ('segment "/PostgreSQL', "give the container more shared memory (`--shm-size`, in Compose `shm_size`)"),
    ("No space left|Disk quota|File too large", "make room on its disk"),
    (
        "Permission denied|ownership|invalid permissions|Read-only|not permitted",
        "copy the folder with `cp -a`, or run `chown -R {owner} {cluster} && chmod 0700 {cluster}`",
    ),
    ("already exists|still in use", "another server uses this folder: stop that one"),
    ("Cannot allocate|out of memory|shared memory", "give the container more memory"),
)
DAMAGED = (
    "its files may be damaged or incomplete, as after a copy of a running database: restore a backup into "
    "another folder with `uninote db restore`"
)
ELSEWHERE = "choose another folder, or set store.address to a running server"


def reason_in(log: str) -> str:
    """Return the lines of a log that say why the server ended, without times and severities."""
    lines = log.splitlines()
    reasons = [line for line in lines if re.search("FATAL|PANIC|DETAIL|could not|error:", line)]
    reasons = [line for line in reasons if "is starting up" not in line]  # an answer to a client
    return " | ".join(re.sub(r"^.*?(FATAL|PANIC|DETAIL|LOG): +", "", line) for line in reasons or lines[-8:])


def way_out(reason: str, account: Account, cluster: Path, default: str = DAMAGED) -> str:
    """Return what to do about a server that does not start, or about a cluster that cannot be made."""
    fix = next((fix for words, fix in _WAYS_OUT if re.search(words, reason)), default)
    return fix.format(owner=f"{account.uid}:{account.gid}", cluster=cluster)
