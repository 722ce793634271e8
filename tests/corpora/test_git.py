import shutil

import pytest

from uninote.corpora.git import checkout
from uninote.errors import ConfigError


def test_the_pinned_commit_is_fetched_and_not_the_newest(tmp_path, commit_files):
    source = tmp_path / "source"
    first = commit_files(source, {"a.md": "one"})
    commit_files(source, {"a.md": "two"})
    assert (checkout(source.as_uri(), first, tmp_path / "out") / "a.md").read_text() == "one"


def test_a_complete_checkout_needs_no_network(tmp_path, commit_files):
    source = tmp_path / "source"
    commit = commit_files(source, {"a.md": "one"})
    checkout(source.as_uri(), commit, tmp_path / "out")
    shutil.rmtree(source)
    checkout(source.as_uri(), commit, tmp_path / "out")
    # A killed checkout lacks files and leaves a lock.
    (tmp_path / "out" / "a.md").unlink()
    (tmp_path / "out" / ".git" / "index.lock").touch()
    assert (checkout(source.as_uri(), commit, tmp_path / "out") / "a.md").read_text() == "one"


def test_links_of_the_repository_become_plain_files(tmp_path, commit_files):
    source = tmp_path / "source"
    source.mkdir()
    (source / "link.md").symlink_to("/etc/passwd")
    commit = commit_files(source, {"a.md": "one"})
    assert not (checkout(source.as_uri(), commit, tmp_path / "out") / "link.md").is_symlink()


@pytest.mark.parametrize("commit", ["0" * 40, "f" * 40])
def test_an_unknown_commit_names_the_repository_and_the_fix(tmp_path, commit_files, commit):
    source = tmp_path / "source"
    commit_files(source, {"a.md": "one"})
    with pytest.raises(ConfigError, match=r"git fetch of file://.*source failed: .*--mirror"):
        checkout(source.as_uri(), commit, tmp_path / "out")


def test_a_missing_repository_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match=r"git fetch of .* failed"):
        checkout((tmp_path / "none").as_uri(), "0" * 40, tmp_path / "out")


def test_without_git_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="git is not installed: install it"):
        checkout("https://example.com/a/b", "0" * 40, tmp_path / "out")


def test_a_password_in_the_address_is_not_shown(tmp_path):
    with pytest.raises(ConfigError, match=r"https://127\.0\.0\.1:1/a/b failed") as error:
        checkout("https://user:secret@127.0.0.1:1/a/b", "0" * 40, tmp_path / "out")
    assert "secret" not in str(error.value)
