"""Pinned public repositories of the benchmark corpora: names, commits, licences (`pins.json`)."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from uninote.errors import ConfigError, reason_of
from uninote.problems import Shape, sentence


class _Pinned(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Repository(_Pinned):
    """One repository. `benchmark` is false if the published benchmark has no note of its books."""

    name: Annotated[
        str, Shape(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$", "must be OWNER/NAME of a repository")
    ]
    commit: Annotated[str, Shape(r"^[0-9a-f]{40}$", "must be a whole commit: 40 digits and letters a to f")]
    benchmark: bool = True

    @property
    def book(self) -> str:
        """The part of an OpenStax note's id that names the repository."""
        return self.name.partition("/")[2].removeprefix("osbooks-")


class CorpusPins(_Pinned):
    """One corpus: its repositories, and the properties that all its notes share."""

    format: Literal["cnxml", "markdown"]
    corpus: Annotated[str, Shape(r"^\w+$", "must be letters, digits and underscores")]
    lang: str
    licence: str = Field(min_length=1)
    tags: Literal["chapter", "folders", "none"]
    repositories: tuple[Repository, ...] = Field(min_length=1)


def load_pins(path: Path | None = None) -> dict[str, CorpusPins]:
    """Load the corpora by name from `path`, by default from the package's own file.

    Raises ConfigError when the file cannot be read or a field is wrong.
    """
    try:
        data = (path or resources.files(__package__) / "pins.json").read_text(encoding="utf-8")
        return TypeAdapter(dict[str, CorpusPins]).validate_json(data)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"the file of pinned repositories {path} cannot be read: {reason_of(error)}"
        ) from error
    except ValidationError as error:
        raise ConfigError(f"pinned repositories: {sentence(error, dict[str, CorpusPins])}") from error
