from __future__ import annotations

import datetime
import json
import platform

import pytest

from uninote.environment import environment
from uninote.errors import ConfigError
from uninote.evaluation.results import write_json, write_result


def test_result_file_has_the_agreed_fields(tmp_path) -> None:
    path = write_result(
        tmp_path / "results",
        "encode-speed",
        "one item takes less than 20 ms",
        14.2,
        goal=20,
        unit="ms",
        interval=(13.9, 14.6),
        command="uninote bench encode",
    )
    content = json.loads(path.read_text())
    assert path.name == "encode-speed.json"
    assert list(content) == [
        "name", "claim", "value", "goal", "unit", "interval", "command", "environment", "date",
    ]  # fmt: skip
    assert content["interval"] == [13.9, 14.6]
    assert content["environment"]["python"] == platform.python_version()
    datetime.date.fromisoformat(content["date"])


@pytest.mark.parametrize("name", ["../up", "a/b", "", ".hidden", "a b"])
def test_names_that_are_no_file_names_are_refused(tmp_path, name) -> None:
    with pytest.raises(ConfigError, match="must be letters"):
        write_result(tmp_path, name, "claim", 1)
    assert list(tmp_path.iterdir()) == []


def test_environment_names_machine_but_not_host_or_paths() -> None:
    facts = environment()
    assert {"python", "os", "cpu", "cores", "torch", "numpy"} <= facts.keys()
    assert facts["cores"] >= 1
    text = json.dumps(facts)
    assert platform.node() not in text
    assert "/" not in text.replace("GNU/Linux", "")


def test_a_value_json_cannot_hold_leaves_the_old_file(tmp_path) -> None:
    path = tmp_path / "r.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert json.loads(path.read_text()) == {"a": 1}
