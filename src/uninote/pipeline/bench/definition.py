"""Definition of an experiment, read from YAML; the built-in ones lie in `experiments/`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from uninote.errors import ConfigError
from uninote.pipeline.bench.metrics import WORST, metric_of
from uninote.settings import Settings, load_settings, with_experiments

BUILT_IN = Path(__file__).parent / "experiments"

Stage = Literal["base", "warmup", "sft", "rl", "dual tower"]
Overrides = dict[str, Any]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Variant(Section):
    """Variant: one row of the table.

    Attributes:
        settings: overrides of the experiment's settings, nested as in a config file.
        stage: the measured stage; the experiment's if None.
        start: the model that stage 1 starts from; the experiment's if None.
        merge: share of the stage 2 weights in an interpolation with those of stage 1; None: stage 2 as it is.
        rounds: number of rounds of stage 1, of equally many steps; from the second one, negatives are mined
            with the model of the round before, while labels stay those of the reference.
    """

    settings: Overrides = {}
    stage: Stage | None = None
    start: Literal["base", "warmup"] | None = None
    merge: float | None = Field(None, ge=0, le=1)
    rounds: int = Field(1, ge=1)


class Goal(Section):
    """Goal: a number to be reached, written to a file of its own.

    Attributes:
        metric: see `metrics.metric_of`; `worst task` is the largest loss of a task with one target.
        variant: the variant with the number; `against`: the one it is compared with, None for no comparison.
        kind: kind of the comparison.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    claim: str
    metric: str
    variant: str
    against: str | None = None
    kind: Literal["difference", "ratio"] = "difference"
    goal: float | None = None


class Experiment(Section):
    """Experiment: a question, the variants that answer it, and the columns of their table.

    Attributes:
        base: another file, whose `settings` those of this file override.
        stage: the measured stage of variants without one.
        start: the start of stage 1 of variants without one.
        columns: metrics of the table (`metrics.metric_of`); the first is the one that is plotted.
        against: the variant that the others' first column is compared with.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    note: str = ""
    base: str | None = None
    settings: Overrides = {}
    stage: Stage = "sft"
    start: Literal["base", "warmup"] = "warmup"
    variants: dict[str, Variant] = Field(min_length=1)
    seeds: tuple[int, ...] = Field((0, 1, 2), min_length=1)
    columns: tuple[str, ...] = Field(("mean",), min_length=1)
    against: str | None = None
    goals: tuple[Goal, ...] = ()

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        named = [self.against, *(g.variant for g in self.goals), *(g.against for g in self.goals)]
        for name in named:
            if name is not None and name not in self.variants:
                raise ValueError(f"there is no variant {name!r}: choose from {', '.join(self.variants)}")
        for metric in (*self.columns, *(g.metric for g in self.goals if g.metric != WORST)):
            metric_of(metric)
        return self

    def settings_of(self, variant: Variant, seed: int) -> Settings:
        """Build the settings. Raises ConfigError that names the experiment when an override is no setting."""
        try:
            return load_settings(None, **merged(self.settings, variant.settings), seed=seed)
        except ConfigError as error:
            raise ConfigError(f"experiment {self.name}: {error}") from error

    def under(self, call: Settings) -> Self:
        """Override the file's training settings by those of a call, except where variants compare them."""
        said = call.model_dump(include={"negatives", "tasks", "sft", "rl", "evaluation"}, exclude_unset=True)
        return self.model_copy(update={"settings": merged(self.settings, said)})


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Overrides:
    """Merge nested options; the upper ones win, also for ablations in their former sections."""
    return _merged(with_experiments(below), with_experiments(above))


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Overrides:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = _merged(result[key], value) if both else value
    return result


def built_in() -> list[str]:
    """Return names of the experiments that come with the package, in the order of their files."""
    return [file.stem for file in sorted(BUILT_IN.glob("[a-z0-9]*.yaml"))]


def load_experiment(name: str) -> Experiment:
    """Load a built-in experiment by its name, or one from a YAML file. All variants' settings are checked.

    Raises ConfigError that names the file, the field and what is wrong.
    """
    file = Path(name) if name.endswith((".yaml", ".yml")) else BUILT_IN / f"{name}.yaml"
    if not file.is_file():
        raise ConfigError(
            f"there is no experiment {name}: name a YAML file, or one of {', '.join(built_in())}"
        )
    content = _read(file)
    if content.get("base") is not None:
        below = _read(file.parent / str(content["base"]))
        content["settings"] = merged(below.get("settings", {}), content.get("settings", {}))
    try:
        experiment = Experiment.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise ConfigError(f"{file}: {problems}") from error
    for variant in experiment.variants.values():
        experiment.settings_of(variant, 0)
    return experiment


def _read(file: Path) -> Overrides:
    try:
        content = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} is not readable YAML: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(f"{file} must be a mapping of fields")
    return content
