"""System account that runs the embedded PostgreSQL server, which refuses to run as root."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uninote.errors import StoreError

# The server's account cannot pass root's folders (/root is mode 0700). The server process therefore gets the
# narrowest capability that lets it. Opening the folders to every local user instead would outlast the server.
# Numbers: linux/capability.h; containers often have the second one only.
_PATH_CAPABILITIES = {"dac_read_search": 2, "dac_override": 1}


@dataclass(frozen=True)
class Account:
    """Account of server commands: user and group id, and whether it is another one than the caller's root."""

    uid: int
    gid: int
    step_down: bool

    @classmethod
    def choose(cls, cluster: Path) -> Account:
        """Choose the caller; for root the owner of an existing cluster folder, else `postgres` or `nobody`.

        Raises StoreError when the cluster belongs to another user, or root finds no account to change to.
        """
        owner = cluster.stat().st_uid if cluster.exists() else None
        if os.geteuid() != 0:
            if owner not in (None, os.geteuid()):
                raise StoreError(
                    f"the database in {cluster} belongs to user id {owner}; run as that user, choose another "
                    f"folder, or let root run `chown -R {os.geteuid()} {cluster.parent}`"
                )
            return cls(os.geteuid(), os.getegid(), step_down=False)
        if owner:
            return cls(owner, cluster.stat().st_gid, step_down=True)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid, step_down=True)
        raise StoreError(
            "PostgreSQL refuses to run as root and this system has neither a `postgres` nor a `nobody` user; "
            "run as an ordinary user, or set store.address to a running server"
        )

    def give(self, folder: Path) -> None:
        """Make this account the owner of a file or folder; of a link itself, not of what it leads to."""
        if self.step_down:
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)

    def own(self, cluster: Path) -> None:
        """Give this account a cluster that root has copied, and the folder the mode that PostgreSQL wants.

        Raises StoreError when other users could have put files into a folder of root, which stay root's.
        """
        status = cluster.stat()
        if self.step_down and status.st_uid == 0:
            if status.st_mode & 0o022 or cluster.is_symlink():
                raise self._foreign(cluster)
            for _, names, files, folder in os.fwalk(cluster):  # through no link, even one put there meanwhile
                for name in names + files:
                    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                    if name in files and found.st_nlink > 1:  # it may be a file of root from elsewhere
                        raise self._foreign(cluster)
                    os.chown(name, self.uid, self.gid, dir_fd=folder, follow_symlinks=False)
            self.give(cluster)  # last: after an interruption the next start begins again
        if status.st_mode & 0o027:
            cluster.chmod(0o700)

    def _foreign(self, cluster: Path) -> StoreError:
        return StoreError(
            f"other users may write to {cluster}, or it holds links, so its files are not given to the "
            f"server; if they are yours, run "
            f"`chown -R {self.uid}:{self.gid} {cluster} && chmod 0700 {cluster}`"
        )

    def command(self, *argv: str, paths: tuple[Path, ...]) -> tuple[list[str], dict[str, Any]]:
        """Return arguments and keywords of `subprocess.run` to run `argv` as this account with these `paths`.

        Raises StoreError when root lacks the capability or program for that access.
        """
        if not self.step_down:
            return list(argv), {}
        folders = (folder for path in paths for folder in path.parents)
        blocked = next((folder for folder in folders if not self._passes(folder)), None)
        if blocked is None:
            return list(argv), {"user": self.uid, "group": self.gid, "extra_groups": []}
        capability = next((name for name, bit in _PATH_CAPABILITIES.items() if _capable(bit)), None)
        if capability is None or shutil.which("setpriv") is None:
            raise StoreError(
                f"PostgreSQL refuses to run as root, and user id {self.uid} cannot pass {blocked}; "
                f"run `chmod o+x {blocked}`, choose another folder, or run as an ordinary user"
            )
        prefix = ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]
        prefix += [f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}", "--"]
        return prefix + list(argv), {}

    def _passes(self, folder: Path) -> bool:
        status = folder.stat()
        return bool(status.st_mode & (0o100 if status.st_uid == self.uid else 0o001))


def _capable(bit: int) -> bool:
    """Return whether this process holds the capability; False on systems without capabilities."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    effective = next((line.split()[1] for line in lines if line.startswith("CapEff:")), "0")
    return bool(int(effective, 16) >> bit & 1)
