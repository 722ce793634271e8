import pytest

from uninote.corpora.pins import load_pins
from uninote.errors import ConfigError


def test_the_packages_pins_name_commits_and_a_free_licence():
    pins = load_pins()
    assert {name: each.corpus for name, each in pins.items()} == {
        "openstax": "openstax",
        "sharepoint": "sharepoint",
        "vsdocs-zh": "vsdocs_zh",
    }
    assert all(each.licence.startswith("CC BY 4.0") for each in pins.values())
    assert len([each for each in pins["openstax"].repositories if each.benchmark]) == 8
    assert pins["openstax"].repositories[0].book == "introduction-sociology"


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        '{"x": {}}',
        '{"x": {"format": "cnxml", "corpus": "x", "lang": "en", "licence": "L", "tags": "none",'
        ' "repositories": [{"name": "../../etc", "commit": "' + "0" * 40 + '"}]}}',
        '{"x": {"format": "cnxml", "corpus": "x", "lang": "en", "licence": "L", "tags": "none",'
        ' "repositories": [{"name": "a/b", "commit": "--upload-pack=x"}]}}',
    ],
)
def test_wrong_pins_are_refused(tmp_path, text):
    (tmp_path / "pins.json").write_text(text)
    with pytest.raises(ConfigError, match="pinned repositories"):
        load_pins(tmp_path / "pins.json")


def test_missing_pins_are_an_error(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_pins(tmp_path / "none.json")
