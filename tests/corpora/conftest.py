import subprocess

import pytest


@pytest.fixture
def commit_files():
    """Commit files into a new repository; return the commit."""

    def commit(folder, files):
        for name, data in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())

        def git(*arguments):
            who = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "core.hooksPath=/dev/null"]
            done = subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)
            return done.stdout.decode().strip()

        git("init", "-q")
        git("add", "-A", "-f")
        git("commit", "-q", "-m", "x", "--no-gpg-sign")
        return git("rev-parse", "HEAD")

    return commit
