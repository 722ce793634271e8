"""Changes to a saved model: the options of section `encoder` that it may be loaded with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from pydantic import ValidationError

from uninote.encoder.saved import Saved
from uninote.errors import ConfigError, ModelError
from uninote.problems import sentence
from uninote.settings import EncoderSettings

VARYING = ("read", "precision")
"""Options that may change and that change the vectors, and so the version."""


def changes_to(saved: Saved, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of `given` that differ from those saved, as the model is to be loaded with them.

    `dims` may be some of the trained ones: vectors are then cut to the widest of them. Dimensions wider than
    the model are left out, as in training.

    Raises ModelError for an option that the model does not have or that training fixed.
    """
    stored = saved.settings()
    asked = {name: value for name, value in given.items() if name != "backbone"}
    if given.get("backbone", saved.backbone) != saved.backbone:
        _refuse(saved, "backbone", saved.backbone, given["backbone"])
    for name in asked:
        if name not in type(stored).model_fields:
            raise ModelError(
                f"{saved.folder.name} is a {saved.backbone} model, which has no option encoder.{name}: leave "
                "it out"
            )
    try:
        wanted = type(stored).model_validate(stored.model_dump() | asked)
    except ValidationError as error:
        raise ModelError(f"encoder.{sentence(error, type(stored))}") from error
    changed = {name: getattr(wanted, name) for name in asked}
    changed = {name: value for name, value in changed.items() if value != getattr(stored, name)}
    if "dims" in changed:
        changed |= _truncated(saved, changed.pop("dims"))
    for name in changed.keys() - {*VARYING, *stored.changeable, "dims"}:
        _refuse(saved, name, getattr(stored, name), changed[name])
    return changed


def varying(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes that change the vectors."""
    return {name: changes[name] for name in VARYING if name in changes}


def versioned(version: str, changes: Mapping[str, Any]) -> str:
    """Return the version of a model loaded with `changes`: of the weights, and of what changes vectors."""
    return "-".join([version, *map(str, varying(changes).values())])


def check_kept(saved: Saved, settings: EncoderSettings, kept: Mapping[str, Any], dim: int, name: str) -> None:
    """Check that the options set in `settings` are those that the vectors of `name` were made with.

    Args:
        kept: `Encoder.changes` of the encoder that made them.
        dim: their number of dimensions.

    Raises ConfigError, which names both, when they are not; ModelError as `changes_to`.
    """
    given = {key: value for key, value in settings.given.items() if key in (*VARYING, "dims")}
    if not given:
        return
    changes, stored = changes_to(saved, given), saved.settings()
    made = {key: kept.get(key, getattr(stored, key)) for key in given if key != "dims"}
    asked = {key: changes.get(key, getattr(stored, key)) for key in made}
    if "dims" in given:
        made["dims"], asked["dims"] = dim, changes.get("dims", saved.dims)[-1]
    for key, value in made.items():
        if asked[key] != value:
            raise ConfigError(
                f"{name} was made with encoder.{key}={value}, not {asked[key]}: leave encoder.{key} out, or "
                "embed and index again"
            )


def loaded_version(saved: Saved, settings: EncoderSettings) -> str:
    """Return the `Encoder.version` that `load_encoder` gives, without loading. Raises ModelError."""
    given = {name: value for name, value in settings.given.items() if name in VARYING}
    return versioned(saved.version, changes_to(saved, given) if given else {})


def loaded_dims(saved: Saved, settings: EncoderSettings) -> tuple[int, ...]:
    """Return the `Encoder.dims` that `load_encoder` gives, without loading the model. Raises ModelError.

    Empty where an earlier release did not write them.
    """
    given = {name: value for name, value in settings.given.items() if name == "dims"}
    dims: tuple[int, ...] = (changes_to(saved, given) if given else {}).get("dims", saved.dims)
    return dims


def _truncated(saved: Saved, wanted: Sequence[int]) -> dict[str, tuple[int, ...]]:
    trained = saved.dims
    kept = tuple(sorted({dim for dim in wanted if not trained or dim <= trained[-1]}))
    if trained and (not kept or not set(kept) <= set(trained)):
        raise ModelError(
            f"encoder.dims {list(wanted)} cannot be taken from {saved.folder.name}, which was trained at "
            f"{', '.join(map(str, trained))}: choose some of these, or train a model with others"
        )
    return {} if kept == trained else {"dims": kept}


def _refuse(saved: Saved, name: str, stored: Any, asked: Any) -> NoReturn:
    raise ModelError(
        f"encoder.{name} of a saved model cannot be changed: {saved.folder.name} was trained with "
        f"{stored!r}, not {asked!r}: leave the option out, or train a model with it"
    )
