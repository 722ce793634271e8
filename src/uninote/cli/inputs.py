"""Inputs of commands: the notes of a source, the encoder of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from uninote.settings import Settings

if TYPE_CHECKING:  # both load at first use: `--help` needs neither numpy nor torch
    from uninote.encoder import Encoder
    from uninote.items import Note


def read(source: Path, settings: Settings) -> list[Note]:
    """Read the usable notes; counts of those left out go to stderr."""
    from uninote.corpus.skips import SkipReport
    from uninote.pipeline.notes import load_notes

    report = SkipReport()
    notes = load_notes(source, settings, report)
    if len(report):
        reasons = ", ".join(f"{count} x {kind}" for kind, count in report.counts().items())
        typer.echo(f"left out: {reasons}", err=True)
    return notes


def read_split(source: Path, settings: Settings, part: str, whole: bool) -> list[Note]:
    """Read the notes of one split ("train" or "test"), or all; the same seed splits alike everywhere."""
    from uninote.pipeline.notes import split

    notes = read(source, settings)
    return notes if whole else list(getattr(split(notes, settings), part))


def encoder_of(model: Path | None, settings: Settings, features: Path | None) -> Encoder:
    """Load the model of a folder; without one, build the untrained model of the settings."""
    from uninote.encoder import Encoder
    from uninote.encoder.loading import load_encoder

    if model is not None:
        return load_encoder(model, settings, features)
    return Encoder.build(settings.encoder, settings.corpus, features, settings.seed)
