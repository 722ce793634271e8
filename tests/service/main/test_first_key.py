"""The first admin key: in its file, or not created."""

from __future__ import annotations

from pathlib import Path

import pytest

from uninote.errors import ConfigError
from uninote.service.db.engine import Database
from uninote.service.main.first_key import first_key


def test_a_key_that_cannot_be_written_is_not_created(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "served"
    with pytest.raises(ConfigError, match=r"cannot be written into .*served: No such file"):
        first_key(database, folder)
    folder.mkdir()
    file = first_key(database, folder)
    assert file == str(folder / "admin.key")
    assert Path(file).stat().st_mode & 0o777 == 0o600
    assert first_key(database, folder) is None  # there is one
    assert [one.name for one in folder.iterdir()] == ["admin.key"]
