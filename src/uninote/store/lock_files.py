"""Lock files that a PostgreSQL server left in its folder: after a kill, or in a copy of the folder."""

from __future__ import annotations

import logging
from pathlib import Path

NO_PROCESS = 2**31 - 1  # no system gives out an id this high

log = logging.getLogger(__name__)


def correct_lock_files(cluster: Path, socket_lock: str) -> None:
    """Let PostgreSQL treat the server of leftover lock files as dead, unless it runs on this cluster.

    PostgreSQL only checks whether the process id exists. After a container restart another program may have
    it, without an init process a zombie keeps it, and in a copied folder it is the original's server.
    `postmaster.pid` gets another id instead of being removed, because it also names the shared memory by
    which PostgreSQL waits for the last children of a killed server.
    """
    if not Path("/proc/self/stat").exists():
        return
    for file in (cluster / socket_lock, cluster / "postmaster.pid"):
        if file.is_symlink() or not file.exists():
            continue
        pid, _, rest = file.read_text(errors="replace").partition("\n")
        place = rest.partition("\n")[0]
        if _runs_on(cluster, pid.strip(), place):
            continue
        if file.name == socket_lock or not pid.strip().isdecimal():
            file.unlink()
            continue
        file.write_text(f"{NO_PROCESS}\n{rest}")
        if place != str(cluster):
            log.warning(
                "%s was copied while its server ran, or moved after a crash; such a copy may be damaged: use "
                "`uninote db backup` and `uninote db restore`",
                cluster,
            )


def _runs_on(cluster: Path, pid: str, place: str) -> bool:
    """Return whether a process is a server of `cluster`; `place` is the cluster that its lock file names."""
    process = Path("/proc", pid)
    try:
        name, _, state = (process / "stat").read_text(errors="replace").rpartition(")")
    except OSError:
        return False
    if not name.endswith("(postgres") or state.split()[0] in {"Z", "X"}:
        return False
    try:
        return (process / "cwd").samefile(cluster)
    except OSError:  # this user may not see it
        return place == str(cluster)
