from __future__ import annotations

import pytest
import yaml

from uninote.errors import ConfigError
from uninote.pipeline.bench.definition import built_in, load_experiment, merged


def write(folder, **fields):
    content = {"name": "e", "title": "t", "variants": {"a": {}, "b": {"settings": {"sft": {"steps": 7}}}}}
    file = folder / "e.yaml"
    file.write_text(yaml.safe_dump(content | fields))
    return str(file)


def test_every_built_in_experiment_is_sound():
    assert {"negatives", "objectives", "policies", "matryoshka"} <= set(built_in())
    for name in built_in():
        assert load_experiment(name).name == name


def test_settings_are_laid_over_one_another(tmp_path):
    (tmp_path / "below.yaml").write_text("settings: {sft: {steps: 3, batch_size: 8}, rl: {steps: 4}}")
    experiment = load_experiment(write(tmp_path, base="below.yaml", settings={"sft": {"steps": 5}}))
    a, b = (experiment.settings_of(experiment.variants[name], 2) for name in "ab")
    assert (a.sft.steps, a.sft.batch_size, a.rl.steps, a.seed) == (5, 8, 4, 2)
    assert (b.sft.steps, b.sft.batch_size) == (7, 8)
    assert merged({"x": {"y": 1}}, {"x": {"z": 2}}) == {"x": {"y": 1, "z": 2}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"varants": {}}, r"varants: is not known here; did you mean variants"),
        ({"variants": {"a": {"setings": {}}}}, r"variants\.a\.setings: .* did you mean settings"),
        ({"variants": {"a": {"settings": {"sft": {"stps": 1}}}}}, r"experiment e: bad setting: sft\.stps"),
        ({"columns": ["mean", "dim x"]}, r"unknown metric 'dim x'"),
        ({"against": "c"}, r"no variant 'c': choose from a, b"),
        ({"goals": [{"name": "g", "claim": "c", "metric": "mean", "variant": "z"}]}, r"no variant 'z'"),
        ({"base": "none.yaml"}, r"none\.yaml cannot be read: No such file"),
    ],
)
def test_what_is_unknown_is_refused_by_name(tmp_path, fields, told):
    with pytest.raises(ConfigError, match=told):
        load_experiment(write(tmp_path, **fields))


def test_unknown_experiment_is_answered_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"no experiment nope: .*negatives"):
        load_experiment("nope")
