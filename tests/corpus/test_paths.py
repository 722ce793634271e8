from pathlib import Path

import pytest

from uninote.corpus.paths import resolve_inside
from uninote.errors import PictureError


def test_paths_inside_resolve(tmp_path: Path) -> None:
    assert resolve_inside(tmp_path, "images/../a.png") == (tmp_path / "a.png").resolve()
    assert resolve_inside(tmp_path, str(tmp_path / "a.png")) == (tmp_path / "a.png").resolve()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "images/../../x.png"])
def test_paths_outside_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(PictureError, match="outside the folder"):
        resolve_inside(tmp_path, name)


def test_a_link_that_leads_outside_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(PictureError, match="outside the folder"):
        resolve_inside(tmp_path / "in", "link.png")


def test_unusable_names_and_no_folder(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="not a usable path"):
        resolve_inside(tmp_path, "a\x00b")
    with pytest.raises(PictureError, match="only embedded bytes"):
        resolve_inside(None, "a.png")
