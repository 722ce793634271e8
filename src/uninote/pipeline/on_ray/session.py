"""Ray session: a cluster started on this machine, or a connection to a running one."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from uninote.errors import ConfigError, reason_of
from uninote.extras import needs

LOCAL = "local"
CONNECT_SECONDS = 10


@contextmanager
def connected(address: str) -> Iterator[None]:
    """Open a Ray session for `annotate_batches` and `embed_on_cluster`.

    Args:
        address: `local` starts a cluster on this machine, which listens on the loopback interface only and
            ends with the context; `auto` or HOST:PORT joins a running one as its driver. A session that this
            process has already is used and left open.

    Raises:
        ConfigError: Ray is not installed, or there is no cluster at the address.
    """
    # Ray reads these at import. They switch off its usage reports and the warnings of its core: errors
    # arrive as exceptions.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if address == LOCAL:
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # off: loopback, on Linux as well
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    else:
        _check_address(address)
    with needs("ray"):
        import ray
        import ray.data
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # plans and hints; progress is shown by us
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    with TemporaryDirectory(prefix="uninote-ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        if address == LOCAL:  # a short path: it holds Unix sockets
            options |= {"include_dashboard": False, "_temp_dir": folder}
        try:
            ray.init(address=address, **options)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigError(f"no Ray cluster can be used at {address!r}: {reason_of(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()


def _check_address(address: str) -> None:
    """Raise ConfigError where Ray itself would try for minutes."""
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if "://" in address or not host or not port.isdecimal():
        raise ConfigError(
            f"--ray takes local, auto or HOST:PORT, not {address!r}; to start from a machine outside the "
            "cluster use `ray job submit -- uninote … --ray auto`"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster answers at {address}: {reason_of(error)}") from error
