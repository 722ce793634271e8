"""Commands `train warmup`, `train sft` and `train rl`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from uninote.cli.inputs import encoder_of, read_split, read_with_relations
from uninote.cli.options import (
    AsJson,
    Config,
    Features,
    Model,
    Notes,
    Out,
    Quiet,
    Relations,
    Seed,
    Set,
    Whole,
    emit,
    settings_from,
)

if TYPE_CHECKING:
    from uninote.encoder import Encoder

app = typer.Typer(
    no_args_is_help=True,
    help="Train a stage: `warmup` (pictures and texts aligned), `sft` (contrastive), then `rl` (ranking).",
)


@app.command("warmup")
def train_warmup(
    notes: Notes,
    out: Out = Path("model-warmup"),
    whole: Whole = False,
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the warm-up before stage 1: pictures and texts are aligned on cached tower outputs, in minutes.

    Its result is the start model of `train sft`, and a better reference for `mine` than the untrained model.
    """
    from uninote.encoder.registry import backbone_class
    from uninote.pipeline.train import base_model, warmed_up_model
    from uninote.training.warmup import require_warm_up

    settings = settings_from(config, set_, seed)
    require_warm_up(backbone_class(type(settings.encoder)))
    training = read_split(notes, settings, "train", whole)
    base_model(settings, out / "base", features)
    trained = warmed_up_model(out / "base", training, settings, out, features, not quiet)
    _report(as_json, out, trained)


@app.command("sft")
def train_sft(
    examples_file: Annotated[Path, typer.Argument(help="A file of `uninote mine`.")],
    model: Annotated[
        Path | None,
        typer.Option("--model", "-m", help="Start model; a model of `train warmup` is recommended."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Encoder of the soft labels; by default, the start model.")
    ] = None,
    out: Out = Path("model-sft"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train stage 1: contrastive fine-tuning on soft labels. Run again after a kill to resume."""
    from uninote.negatives import ReferenceIndex
    from uninote.negatives.files import read_examples
    from uninote.pipeline.train import base_model, sft_model

    settings = settings_from(config, set_, seed)
    start = model or out / "base"
    if model is None:
        base_model(settings, start, features)
    examples = read_examples(examples_file)
    items = [item for e in examples for item in (e.pair.query, e.pair.positive, *e.negatives)]
    whole = settings.negatives.composite == "whole"
    labels = ReferenceIndex(items, encoder_of(reference or start, settings, features), whole)
    trained = sft_model(start, examples, labels, settings, out, features, not quiet)
    _report(as_json, out, trained)


@app.command("rl")
def train_rl(
    notes: Notes,
    model: Model,
    out: Out = Path("model-rl"),
    whole: Whole = False,
    features: Features = None,
    relations: Relations = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train stage 2: ranking of the training split by content, from a stage 1 model. Resumes after a kill."""
    from uninote.pipeline.train import rl_model

    settings = settings_from(config, set_, seed, relations)
    training, behaviour = read_with_relations(notes, settings, "train", whole)
    related = behaviour.training(training) if behaviour else None
    trained = rl_model(model, training, settings, out, features, not quiet, relations=related)
    _report(as_json, out, trained)


def _report(as_json: bool, out: Path, trained: Encoder) -> None:
    from accelerate import PartialState

    if PartialState().is_main_process:
        emit(as_json, {"model": str(out), "version": trained.version}, f"model {trained.version} in {out}")
