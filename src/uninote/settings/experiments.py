"""Section `experiments`: the ablations of both stages, and their former place in `sft` and `rl`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from uninote.settings.section import Section
from uninote.settings.training import RlAblations, SftAblations


class ExperimentSettings(Section):
    """Ablations of both stages. In Python they are fields of `SftSettings` and `RlSettings`."""

    sft: SftAblations = SftAblations()
    rl: RlAblations = RlAblations()


ABLATIONS: dict[str, type[Section]] = {"sft": SftAblations, "rl": RlAblations}


def with_experiments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested options in which every ablation is in the section `experiments`.

    Releases without that section had them in `sft` and `rl`, where they are still read. Raises ValueError
    when the two places have different values.
    """
    found = dict(values)
    for stage, kind in ABLATIONS.items():
        own = found.get(stage)
        if not isinstance(own, Mapping) or not (moved := kind.model_fields.keys() & own.keys()):
            continue
        experiments = as_mapping(found.get("experiments"))
        chosen = {name: value for name, value in own.items() if name in moved}
        given = as_mapping(experiments.get(stage))
        for name in chosen.keys() & given.keys():
            if chosen[name] != given[name]:
                raise ValueError(f"{stage}.{name} is now experiments.{stage}.{name}: set that one alone")
        found["experiments"] = {**experiments, stage: chosen | given}
        found[stage] = {name: value for name, value in own.items() if name not in moved}
    return found


def as_mapping(section: Any) -> dict[str, Any]:
    """Return the options that a section sets; none for another value, which validation refuses."""
    if isinstance(section, BaseModel):
        return section.model_dump(exclude_unset=True)
    return dict(section) if isinstance(section, Mapping) else {}
