"""Settings by backbone and by section: inferred values, refused options, and older files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from uninote.encoder.compact.settings import CompactSettings
from uninote.encoder.qwen.settings import QwenSettings
from uninote.errors import ConfigError
from uninote.settings import EncoderSettings, Settings, SftSettings, load_settings

OF_EVERY_BACKBONE = {  # as a file of the release before `encoder.backbone` has them
    "model": "",
    "max_tokens": 96,
    "token_budget": 4096,
    "dims": [64, 128],
    "principal_axes": False,
    "vision_side": 224,
    "max_pictures": 12,
    "picture_pixels": 262144,
    "note_pixels": 2097152,
    "attention": "auto",
    "gradient_checkpointing": False,
    "lora_targets": "x",
    "remember": 0,
    "remember_pictures": 0,
    "device": "cpu",
}


def test_without_a_name_the_model_decides() -> None:
    assert load_settings().encoder == CompactSettings()
    assert load_settings(None, encoder={"model": "a/b"}).encoder == QwenSettings(model="a/b")
    assert EncoderSettings(vision_side=64) == CompactSettings(vision_side=64)  # type: ignore[call-arg]
    assert EncoderSettings(model="a/b").max_tokens == 4096  # type: ignore[call-arg]


@pytest.mark.parametrize(("model", "kind"), [("", CompactSettings), ("a/b", QwenSettings)])
def test_a_file_of_an_older_release_is_read(tmp_path: Path, model: str, kind: type[EncoderSettings]) -> None:
    file = tmp_path / "old.yaml"
    file.write_text(f"encoder: {OF_EVERY_BACKBONE | {'model': model}}")
    found = load_settings(file).encoder
    assert type(found) is kind
    assert (found.max_tokens, found.dims, found.device) == (96, (64, 128), "cpu")


@pytest.mark.parametrize(("given", "meant"), [("auto", "auto"), ("true", True), (False, False)])
def test_checkpointing_is_a_choice_or_a_switch(given: Any, meant: Any) -> None:
    assert QwenSettings(model="a/b", gradient_checkpointing=given).gradient_checkpointing == meant
    with pytest.raises(ConfigError, match="gradient_checkpointing: must be auto, True or False"):
        load_settings(encoder={"model": "a/b", "gradient_checkpointing": "perhaps"})


def test_the_environment_sets_what_only_one_backbone_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNINOTE_ENCODER__VISION_SIDE", "96")
    monkeypatch.setenv("UNINOTE_ENCODER__DIMS", "[64]")
    assert load_settings().encoder == CompactSettings(vision_side=96, dims=(64,))
    monkeypatch.setenv("UNINOTE_ENCODER__MODEL", "a/b")
    encoder = load_settings().encoder
    assert encoder.model_dump() == QwenSettings(model="a/b", dims=(64,)).model_dump()
    assert encoder.given == {"model": "a/b", "dims": (64,), "vision_side": "96"}
    with pytest.raises(ConfigError, match=r"qwen-vl backbone has no option encoder\.vision_side"):
        encoder.require_own()


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        ({"vision_sid": 64}, r"encoder\.vision_sid: is not known here; did you mean vision_side"),
        ({"vision_side": "wide"}, r"encoder\.vision_side: must be a whole number"),
        ({"backbone": "compact", "model": "a/b"}, "compact has no option model: leave it out, or change"),
        ({"backbone": "qwen-vl", "vision_side": 64}, "qwen-vl has no option vision_side"),
        ({"backbone": "siglip"}, "no backbone 'siglip': choose one of compact, qwen-vl"),
    ],
)
def test_a_wrong_option_is_named_with_the_fix(encoder: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_settings(None, encoder=encoder)


@pytest.mark.parametrize("section", ["old", "new"])
def test_ablations_are_read_from_their_section_and_from_that_of_the_stage(section: str) -> None:
    stages = {"sft": {"objective": "kl"}, "rl": {"policy": "softmax"}}
    given = stages if section == "old" else {"experiments": stages}
    found = load_settings(None, **given)
    assert (found.sft.objective, found.rl.policy) == ("kl", "softmax")
    written = found.model_dump(exclude_unset=True)
    assert written["experiments"] == stages
    assert not written["sft"]
    again = Settings.model_validate_json(found.model_dump_json(exclude_unset=True))
    assert (again.sft, again.rl) == (found.sft, found.rl)
    copied = found.model_copy(update={"sft": SftSettings(objective="infonce")})
    assert copied.model_dump()["experiments"]["sft"]["objective"] == "infonce"


NEW, OLD = "UNINOTE_EXPERIMENTS__SFT__CLUSTER_SIZE", "UNINOTE_SFT__CLUSTER_SIZE"


@pytest.mark.parametrize("variable", [NEW, OLD])
@pytest.mark.parametrize("section", ["old", "new"])
def test_an_ablation_of_a_higher_source_wins_in_either_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, section: str, variable: str
) -> None:
    def given(size: int) -> dict[str, Any]:
        stages = {"sft": {"cluster_size": size}}
        return stages if section == "old" else {"experiments": stages}

    file = tmp_path / "settings.yaml"
    file.write_text(f"{given(2)}")
    monkeypatch.setenv(variable, "3")
    assert load_settings(file).sft.cluster_size == 3
    assert load_settings(file, **given(4)).sft.cluster_size == 4
    written = load_settings().model_dump_json(exclude_unset=True)  # a worker has the same environment
    assert Settings.model_validate_json(written).sft.cluster_size == 3


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"sft": {"objective": "kl"}, "experiments": {"sft": {"objective": "infonce"}}},
            r"^bad setting: sft\.objective is now .*: set that one alone",
        ),
        (
            {"experiments": {"sft": {"steps": 3}}},
            r"sft\.steps: is not known here; known are accumulate, ",
        ),
        (
            {"experiments": {"rl": {"policy": "best"}}},
            r"^bad setting: [a-z.]+policy: must be softmax, [a-z_, ]+ or listwise$",
        ),
        ({"experiments": 3}, "experiments: must be an object, not a number"),
    ],
)
def test_a_wrong_ablation_is_named(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load_settings(None, **given)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"sft:\n  steps: [1\n", r"not valid YAML: line 3, column 1: expected"),
        (b"- a\n- b\n", "must be a mapping of names to values"),
        (b"text", "must be a mapping of names to values"),
        (b"1: 2\n", "must be a mapping of names to values"),
        (b"a: \xff", "save it as text in UTF-8"),
        (b"sft: 3\n", "sft: must be an object, not a number"),
        (b"cluster: {collection: A-b}\n", "cluster.collection: must be at most 20 lower-case letters"),
    ],
)
def test_a_wrong_file_says_what_is_wrong_on_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigError, match=says) as refused:
        load_settings(file)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["UNINOTE_SFT", "UNINOTE_ENCODER__DIMS"])
def test_a_wrong_variable_of_the_environment_is_named(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "abc")
    with pytest.raises(ConfigError, match=f"are JSON, such as .*: see {name.partition('__')[0]}"):
        load_settings()


def test_settings_load_without_torch() -> None:
    script = "import sys; from uninote import load_settings; load_settings(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
