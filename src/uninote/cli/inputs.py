"""Inputs of commands: the notes of a source, the encoder of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from uninote.settings import Settings

if TYPE_CHECKING:  # both load at first use: `--help` needs neither numpy nor torch
    from uninote.corpus.relations.behaviour import Behaviour
    from uninote.corpus.skips import SkipReport
    from uninote.encoder import Encoder
    from uninote.items import Note

SHOWN = 5
"""Most reasons for what was left out that a command prints."""


def read(source: Path, settings: Settings, *models: Path | None) -> list[Note]:
    """Read the usable notes; counts of those left out, and some reasons, go to stderr.

    models: folders of saved models that the notes are for; their videos are read as these take them.
    """
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.notes import load_notes

    if named := [model for model in models if model is not None]:
        from uninote.encoder.saved import reading

        settings = reading(settings, *named)
    report = SkipReport()
    notes = load_notes(source, settings, report)
    _tell(report, "left out")
    return notes


def read_split(source: Path, settings: Settings, part: str, whole: bool) -> list[Note]:
    """Read the notes of one split ("train" or "test"), or all; the same seed splits alike everywhere."""
    return _split(read(source, settings), settings, part, whole)


def read_with_relations(
    source: Path, settings: Settings, part: str, whole: bool, model: Path | None = None
) -> tuple[list[Note], Behaviour | None]:
    """Read the notes of one split, or all, for a model, and the relations of all, if there are any."""
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.relations import load_behaviour

    notes = read(source, settings, model)
    report = SkipReport()
    behaviour = load_behaviour(source, notes, settings, report)
    _tell(report, "relations left out")
    return _split(notes, settings, part, whole), behaviour


def encoder_of(model: Path | None, settings: Settings, features: Path | None) -> Encoder:
    """Load the model of a folder; without one, build the untrained model of the settings."""
    from uninote.encoder import Encoder
    from uninote.encoder.loading import load_encoder

    if model is not None:
        return load_encoder(model, settings, features)
    return Encoder.build(settings.encoder, settings.corpus, features, settings.seed)


def _split(notes: list[Note], settings: Settings, part: str, whole: bool) -> list[Note]:
    from uninote.pipeline.notes import split

    return notes if whole else list(getattr(split(notes, settings), part))


def _tell(report: SkipReport, what: str) -> None:
    if len(report):
        reasons = ", ".join(f"{count} x {kind}" for kind, count in report.counts().items())
        typer.echo(f"{what}: {reasons}", err=True)
        bad = [skip for skip in report if skip.kind.startswith("bad ")]
        for skip in bad[:SHOWN]:
            typer.echo(f"  {skip.where}: {skip.reason}", err=True)
        if len(bad) > SHOWN:
            typer.echo(f"  and {len(bad) - SHOWN} more", err=True)
