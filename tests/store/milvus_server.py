"""Milvus server process in a folder, from the binaries of the `milvus` wheel.

The wheel's own launcher leaves the server running when it is killed, so the binary is started directly, with
the configuration that the wheel renders. The server listens on every interface: it has no setting for that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

START_SECONDS = 200
SETTINGS = {
    "proxy.timeTickInterval": 50,  # milliseconds that a search with strong consistency may wait for
    "common.session.ttl": 5,  # seconds after which a server that was killed no longer counts as there
}


class MilvusProcess:
    """Server that starts on creation. `kill` is SIGKILL; `start` serves the same data on the same ports."""

    def __init__(self, folder: Path) -> None:
        import milvus

        self._folder = folder
        server = milvus.MilvusServer(wait_for_started=False)
        server.set_base_dir(str(folder))
        for name, value in SETTINGS.items():
            server.config.set(name, value)
        server.config.resolve()  # chooses free ports, writes configs/milvus.yaml
        milvus._initialize_data_files(str(folder))
        self._binary = Path(server.get_milvus_executable_path())
        self._port, self._web = server.listen_port, _free_port()
        server.config.cleanup_listen_ports()
        self._etcd = _etcd(folder)
        self.start()

    @property
    def address(self) -> str:
        return f"milvus://127.0.0.1:{self._port}"

    def start(self) -> None:
        environment = os.environ | {
            "DEPLOY_MODE": "STANDALONE",
            "METRICS_PORT": str(self._web),
            "MILVUS_RUN_DIR": str(self._folder / "run"),
            "ETCD_ENDPOINTS": self._etcd,
            "ETCD_CONFIG_PATH": str(self._folder / "etcd.yaml"),
            "LD_LIBRARY_PATH": str(self._binary.parent),
        }
        with (self._folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binary), "run", "standalone"],
                cwd=self._folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"Milvus does not start, see {self._folder}/server.log")
            time.sleep(0.2)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _healthy(self) -> bool:
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{self._web}/healthz", timeout=5) as answer,
        ):
            return b"OK" in answer.read()
        return False


def _etcd(folder: Path) -> str:
    """Write settings of the embedded etcd with free ports, since fixed ones would stop a second server."""
    client, peer = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    (folder / "etcd.yaml").write_text(
        f"""name: default
listen-client-urls: http://{client}
advertise-client-urls: http://{client}
listen-peer-urls: http://{peer}
initial-advertise-peer-urls: http://{peer}
initial-cluster: default=http://{peer}
"""
    )
    return client


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
