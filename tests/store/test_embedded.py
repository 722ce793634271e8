"""Embedded server: sharing, kills, moved folders, and accounts."""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from uninote.errors import StoreError
from uninote.store import embedded
from uninote.store.account import Account
from uninote.store.embedded import EmbeddedServer
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record
from uninote.store.start_errors import way_out

EAST = [1.0, 0.0]

# Writes one record after another, and says so after each.
WRITER = """
import sys
from pathlib import Path
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record
store = PostgresStore(Path(sys.argv[1]), 2, collection=sys.argv[2])
for number in range(int(sys.argv[3])):
    store.upsert([Record(f"r{number}", [1, number], "note", payload={"n": number})])
    print(number, flush=True)
"""


@pytest.fixture
def folder(data_dir: Path) -> Path:
    return data_dir / "postgres"


def open_store(folder: Path, collection: str) -> closing[PostgresStore]:
    return closing(PostgresStore(folder, 2, collection=collection, connections=2))


def postmaster(folder: Path) -> int:
    return int((folder / "cluster/postmaster.pid").read_text().splitlines()[0])


def write(folder: Path, collection: str, rows: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", WRITER, str(folder), collection, str(rows)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def test_the_server_is_private_and_listens_on_no_port(folder: Path) -> None:
    with EmbeddedServer(folder) as server, psycopg.connect(server.address) as connection:
        for name, value in (("listen_addresses", ""), ("unix_socket_permissions", "0700"), ("fsync", "on")):
            assert connection.execute("SELECT current_setting(%s)", [name]).fetchone() == (value,)
        assert (folder / "cluster").stat().st_mode & 0o077 == 0


def test_the_last_process_to_close_it_stops_the_server(folder: Path) -> None:
    with EmbeddedServer(folder) as first:
        with EmbeddedServer(folder) as second:
            assert first.address == second.address
        other = write(folder, "other", 3)
        assert other.wait(60) == 0  # leaves by the end of the interpreter, without close
        psycopg.connect(first.address).close()
        first.ensure_running()
    assert not (folder / "cluster/postmaster.pid").exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first.address)
    with pytest.raises(StoreError, match="closed"):
        first.ensure_running()
    with open_store(folder, "other") as store:
        assert store.count() == 3


def test_every_acknowledged_record_outlives_kill_9_of_the_client(folder: Path) -> None:
    writer = write(folder, "killed", 1_000_000)
    assert writer.stdout
    acknowledged = [int(writer.stdout.readline()) for _ in range(40)]
    writer.kill()
    acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
    writer.stdout.close()
    assert writer.wait() == -signal.SIGKILL
    with open_store(folder, "killed") as store:
        assert store.count() - len(acknowledged) in {0, 1}  # one may be stored and not yet acknowledged
        hits = store.search([[1, number] for number in acknowledged], store.count())
        for number, found in zip(acknowledged, hits, strict=True):
            assert {hit.id: hit.payload for hit in found}[f"r{number}"] == {"n": number}
            assert found[0].score == pytest.approx(1, abs=1e-6)
    assert not (folder / "cluster/postmaster.pid").exists()  # the dead client is not waited for


def test_kill_9_of_the_server_under_an_open_store(folder: Path) -> None:
    with open_store(folder, "server_killed") as store:
        store.upsert([Record(f"r{number}", EAST, "note") for number in range(100)])
        killed = postmaster(folder)
        os.kill(killed, signal.SIGKILL)
        assert store.upsert([Record("after", EAST, "note")]).written == 1
        while postmaster(folder) == killed:  # its children answer for a moment longer
            assert store.count() == 101
        assert store.count() == 101


def test_kill_9_of_the_server_under_many_threads(folder: Path) -> None:
    with open_store(folder, "threads_killed") as store:
        written: list[str] = []

        def work(thread: int) -> None:
            for number in range(30):
                name = f"{thread}.{number}"
                store.upsert([Record(name, EAST, "note")])
                written.append(name)

        threads = [threading.Thread(target=work, args=[number]) for number in range(3)]
        for thread in threads:
            thread.start()
        os.kill(postmaster(folder), signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        assert len(written) == 90
        assert {hit.id for hit in store.search([EAST], 1000)[0]} == set(written)


@pytest.mark.parametrize("content", ["", "garbage\n", "{pid}\n/elsewhere\n0\n5432\n/tmp\n\n1 1\nready\n"])
def test_a_stale_pid_file_does_not_block(folder: Path, content: str) -> None:
    file = folder / "cluster/postmaster.pid"
    file.write_text(content.format(pid=os.getpid()))  # alive, and no PostgreSQL
    os.chown(file, file.parent.stat().st_uid, file.parent.stat().st_gid)
    with EmbeddedServer(folder) as server:
        psycopg.connect(server.address).close()


def test_a_deep_folder_gets_a_short_private_socket_removed_at_the_end(folder: Path) -> None:
    assert len(str(folder)) > 107
    assert not (folder / "cluster.new").exists()
    with EmbeddedServer(folder) as server, psycopg.connect(server.address) as connection:
        (sockets,) = connection.execute("SHOW unix_socket_directories").fetchone() or ("",)
        assert Path(sockets) != folder / "cluster"
        assert Path(sockets).stat().st_mode & 0o077 == 0
    assert not Path(sockets).exists()


def test_a_socket_folder_that_others_may_enter_is_refused(folder: Path) -> None:
    with EmbeddedServer(folder) as server, psycopg.connect(server.address) as connection:
        (name,) = connection.execute("SHOW unix_socket_directories").fetchone() or ("",)
    sockets = Path(name)
    sockets.mkdir()
    sockets.chmod(0o777)
    try:
        with pytest.raises(StoreError, match="not private"):
            EmbeddedServer(folder)
    finally:
        sockets.rmdir()


def test_a_failed_start_names_its_reason(folder: Path, tmp_path: Path) -> None:
    version = folder / "cluster/PG_VERSION"
    version.write_text("9\n")
    try:
        with pytest.raises(StoreError, match=r"does not start.*9.*the release that made it"):
            EmbeddedServer(folder)
    finally:
        version.write_text("18\n")
    (tmp_path / "cluster").mkdir()
    with pytest.raises(StoreError, match="no database"):
        EmbeddedServer(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be used"):
        EmbeddedServer(tmp_path / "file")


def copied(folder: Path, to: Path) -> Path:
    """Copy with `cp -r`: all files belong to the copier."""
    subprocess.run(["cp", "-r", str(folder), str(to)], check=True)
    return to


def rows(folder: Path) -> int:
    with open_store(folder, "copied") as store:
        return store.count()


def test_a_copy_of_root_is_given_to_the_account_of_the_server(folder: Path, tmp_path: Path) -> None:
    with open_store(folder, "copied") as store:
        store.upsert([Record("a", EAST, "note")])
    copy = copied(folder, tmp_path / "copy")
    (copy / "cluster").chmod(0o755)  # as by tools that keep no modes
    assert rows(copy) == 1
    assert (copy / "cluster").stat().st_mode & 0o777 == 0o700
    if os.geteuid() == 0:
        assert {file.lstat().st_uid for file in (copy / "cluster").rglob("*")} == {
            (folder / "cluster").stat().st_uid
        }


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone gives files away")
@pytest.mark.parametrize("planted", ["mode", "hard link", "link"])
def test_files_that_others_could_have_put_there_stay_roots(
    planted: str, folder: Path, tmp_path: Path
) -> None:
    copy = copied(folder, tmp_path / "copy")
    cluster, kept = copy / "cluster", tmp_path / "of-root"
    kept.write_text("")
    if planted == "mode":
        cluster.chmod(0o777)
    elif planted == "hard link":
        os.link(kept, cluster / "base/1/file")
    else:
        cluster.rename(tmp_path / "elsewhere")
        cluster.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match=r"other users may write.*chown -R"):
        EmbeddedServer(copy)
    assert (kept if planted == "hard link" else cluster / "PG_VERSION").stat().st_uid == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone writes into folders of other users")
def test_a_link_in_place_of_the_log_is_not_followed(folder: Path, tmp_path: Path) -> None:
    copy, kept = copied(folder, tmp_path / "copy"), tmp_path / "of-root"
    kept.write_text("")
    (copy / "cluster/log").unlink()
    (copy / "cluster/log").symlink_to(kept)
    with pytest.raises(StoreError, match="cannot be used"):
        EmbeddedServer(copy)
    assert kept.stat().st_uid == 0
    assert not kept.read_text()


def test_a_copy_made_while_the_server_runs_starts_next_to_it_and_says_so(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # A folder with a short name: its socket and that one's lock file are in it, and are copied.
    with tempfile.TemporaryDirectory() as short:
        original = copied(folder, Path(short) / "original")
        with open_store(original, "copied") as store:
            store.upsert([Record("a", EAST, "note")])
            copy = copied(original, Path(short) / "copy")
            assert postmaster(copy) == postmaster(original)
            assert (copy / "cluster/.s.PGSQL.5432.lock").exists()
            assert rows(copy) == 1
            assert store.count() == 1
    assert "uninote db backup" in caplog.text


def test_a_damaged_copy_names_the_backup(folder: Path, tmp_path: Path) -> None:
    copy = copied(folder, tmp_path / "copy")
    (copy / "cluster/global/pg_control").unlink()
    with pytest.raises(StoreError, match=r"pg_control.*restore a backup"):
        EmbeddedServer(copy)


def test_a_folder_that_takes_no_files_names_the_fix(tmp_path: Path) -> None:
    (tmp_path / "postgres/start.lock").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot be used: Is a directory.*chown -R"):
        EmbeddedServer(tmp_path / "postgres")


NAMESPACE = 'mount -t tmpfs -o size=64m tmpfs /dev/shm && exec "$@"'
LARGE = """
import sys
from pathlib import Path
import numpy as np
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record
vectors = np.random.default_rng(0).standard_normal((20_500, 384)).astype(np.float32)
store = PostgresStore(Path(sys.argv[1]), 384)
store.upsert(Record(str(row), vector, "note") for row, vector in enumerate(vectors))
store.flush()
print(store.count(), store.search(vectors[7:8], 1)[0][0].id)
store.close()
"""


def test_a_server_without_any_shared_memory_takes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "SHARED_BYTES", 2**80)
    monkeypatch.setattr(embedded, "_POSIX", tmp_path / "no shm")
    with EmbeddedServer(tmp_path) as server, psycopg.connect(server.address) as connection:
        assert connection.execute("SHOW dynamic_shared_memory_type").fetchone() == ("mmap",)


def test_full_shared_memory_is_not_called_a_full_disk(folder: Path) -> None:
    reason = (
        'could not resize shared memory segment "/PostgreSQL.39" to 1048576 bytes: No space left on device'
    )
    assert "--shm-size" in way_out(reason, Account.choose(folder / "cluster"), folder)


@pytest.mark.slow
def test_an_index_of_20_500_vectors_in_the_shared_memory_of_a_container(tmp_path: Path) -> None:
    private = ["unshare", "-m", "sh", "-c", NAMESPACE, "sh"]
    if subprocess.run([*private, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no private /dev/shm can be mounted")
    arguments = [*private, sys.executable, "-c", LARGE, str(tmp_path / "postgres")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["20500", "7"], done.stderr


def test_an_ordinary_user_needs_no_root() -> None:
    """Run a store as `nobody` if the tests run as root, else as the caller."""
    script = """
import os, sys
from pathlib import Path
import numpy.linalg
from uninote.store.postgres import PostgresStore
from uninote.store.protocol import Record

if os.geteuid() == 0:
    os.setgroups([]), os.setgid(int(sys.argv[3])), os.setuid(int(sys.argv[2]))
store = PostgresStore(Path(sys.argv[1]), 2)
store.upsert([Record("a", [1, 0], "note")])
print(os.geteuid(), store.search([[1, 0]], 1)[0][0].score)
store.close()
"""
    user = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, user.pw_uid, user.pw_gid)
        arguments = [sys.executable, "-c", script, folder, str(user.pw_uid), str(user.pw_gid)]
        done = subprocess.run(arguments, capture_output=True, text=True, check=False)
        assert done.stdout.split() == [str(user.pw_uid), "1.0"], done.stderr
        assert Path(folder, "cluster").stat().st_uid == user.pw_uid


def test_the_database_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cluster").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(StoreError, match=f"user id {os.getuid()}"):
        Account.choose(tmp_path / "cluster")


def test_root_without_capabilities_gets_the_name_of_the_blocking_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("uninote.store.account._capable", lambda bit: False)
    account = Account(uid=os.getuid() + 54321, gid=0, step_down=True)
    with pytest.raises(StoreError, match="chmod o\\+x"):
        account.command("true", paths=(tmp_path / "cluster",))
