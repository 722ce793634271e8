"""Git checkout of one commit of a public repository: shallow, without hooks or symbolic links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from uninote.errors import ConfigError

# The repository is untrusted: no hook runs, no symbolic link is made, no transport helper is started.
_SAFE = (
    "core.hooksPath=/dev/null",
    "core.symlinks=false",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "advice.detachedHead=false",
    "gc.auto=0",
    "http.lowSpeedLimit=1000",  # a dead connection ends after a minute instead of never
    "http.lowSpeedTime=60",
)


def checkout(url: str, commit: str, folder: Path) -> Path:
    """Check out `commit` (40 hex digits) of the repository at `url` into `folder`; return `folder`.

    A complete checkout is used as it is; an interrupted one is resumed. Raises ConfigError, with git's
    message and the fix, when git is missing or the commit cannot be fetched.
    """
    if shutil.which("git") is None:
        raise ConfigError("git is not installed: install it (e.g. `apt install git`) and run again")
    if _head(folder) == commit and _git(folder, "status", "--porcelain", "--untracked-files=no").stdout == "":
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    for lock in (folder / ".git").glob("*.lock"):  # left by a killed run; no other process uses this folder
        lock.unlink()
    _must(folder, url, "init", "--quiet")
    if (
        _git(folder, "cat-file", "-e", f"{commit}^{{tree}}").returncode
        or not (folder / ".git/fetched").exists()
    ):
        _must(folder, url, "fetch", "--quiet", "--depth", "1", "--no-tags", "--", url, commit)
        (folder / ".git/fetched").touch()
    _must(folder, url, "checkout", "--quiet", "--force", "--detach", commit)
    return folder


def _head(folder: Path) -> str:
    return _git(folder, "rev-parse", "HEAD").stdout.strip() if (folder / ".git").is_dir() else ""


def _git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # GIT_DIR and similar variables, which a hook of the user may have set, would select another repository.
    environment = {key: value for key, value in os.environ.items() if key not in _REDIRECTING}
    environment |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    options = [word for setting in _SAFE for word in ("-c", setting)]
    return subprocess.run(
        ["git", *options, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


_REDIRECTING = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"}


_CREDENTIALS = re.compile(r"//[^/\s]*@")  # user and password of an address


def _must(folder: Path, url: str, *arguments: str) -> None:
    done = _git(folder, *arguments)
    if done.returncode:
        said = " ".join(done.stderr.split())[-500:] or f"exit code {done.returncode}"
        message = (
            f"git {arguments[0]} of {url} failed: {said}. Check the network and the free disk space and run "
            "the same command again (it resumes); if the host is not reachable, give --mirror the address "
            "of a copy"
        )
        raise ConfigError(_CREDENTIALS.sub("//", message))
