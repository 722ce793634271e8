"""Server process: starts the application, drains it on a signal, and exits on a fatal error."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

import uvicorn
from threadpoolctl import threadpool_limits

from uninote.corpus.readers import read_notes
from uninote.corpus.skips import SkipReport
from uninote.errors import ConfigError, reason_of
from uninote.items import Note
from uninote.service.app.services import Services
from uninote.service.concurrency.loaded_models import Load
from uninote.service.main.app import create_app
from uninote.service.main.first_key import first_key
from uninote.service.main.lifecycle import drain, open_services
from uninote.service.main.preload import store_all, unstored
from uninote.service.telemetry import logs
from uninote.settings import Settings

NOTES = "notes.jsonl"
BROKEN = 70
"""Exit code of a service that cannot continue (EX_SOFTWARE): its supervisor starts a new one."""


class _Server(uvicorn.Server):
    """Uvicorn server that drains before it stops, and exits with status 0 after a signal."""

    services: Services
    exit_code = 0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit and sig == signal.SIGINT:
            self.force_exit = True
        elif not self.services.draining:
            drain(self.services)
            self.services.log.info("draining", signal=signal.Signals(sig).name)
            seconds = self.services.options.drain_seconds
            timer = threading.Timer(seconds, self._end)
            timer.daemon = True
            timer.start()

    def broken(self, error: BaseException) -> None:
        """End the process; called from the thread that died. Acknowledged notes are on disk."""
        self.services.log.critical("broken", exit_code=BROKEN, **logs.describe(error))
        self.exit_code = BROKEN
        drain(self.services)
        self._end()
        last = threading.Timer(self.services.options.shutdown_seconds, os._exit, [BROKEN])
        last.daemon = True
        last.start()

    def _end(self) -> None:
        self.should_exit = True


def serve(
    settings: Settings, folder: Path, load: Load, host: str, port: int, notes: Sequence[Note] = ()
) -> int:
    """Serve until a signal; return the exit code. Port 0 takes a free port, which the log names.

    notes: stored before the first request, unless they are stored already; without any, the notes of the
    served index whose ids are new. Raises ConfigError when the address is not available, ModelError and
    StoreError as `open_services`.
    """
    logs.configure()
    # Matching runs in several threads already; threads of BLAS would compete with them for the cores.
    threadpool_limits(1, user_api="blas")
    listener = _listen(host, port)
    server: _Server | None = None

    def on_death(error: BaseException) -> None:
        if server is not None:
            server.broken(error)

    services = open_services(settings, folder, load, on_death)
    key_file = first_key(services.database, folder)
    notes = notes or _kept(services)
    if notes:
        services.log.info("notes stored", **asyncio.run(store_all(services, notes)))
    config = uvicorn.Config(
        create_app(services),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=settings.service.shutdown_seconds,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=65_536,
        loop="asyncio",  # with uvloop the interpreter sometimes hangs on exit
        ws="none",
        lifespan="on",
    )
    server = _Server(config)
    server.services = services
    address, bound = listener.getsockname()[:2]
    gc.collect()
    gc.freeze()  # else each full collection traverses all of this, and requests wait for 0.1 seconds
    services.log.info(
        "serving", address=address, port=bound, models=list(services.models.versions), key_file=key_file
    )
    server.run(sockets=[listener])
    services.log.info("stopped", exit_code=server.exit_code)
    return server.exit_code


def _kept(services: Services) -> list[Note]:
    """Return the notes of the served index that were neither stored nor forgotten before."""
    file = services.folder / NOTES
    if not file.is_file():
        return []
    new = unstored(services.database, file)
    found = read_notes(file, services.corpus, SkipReport()) if new else []
    return [note for note in found if note.id in new]


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With the protocol set, asyncio turns Nagle's algorithm off; else an answer waits 40 ms for an ACK.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host} port {port}: {reason_of(error)}; choose another --port"
        ) from error
    return listener
