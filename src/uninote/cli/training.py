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
    OutFolder,
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
    from uninote.settings import Settings
    from uninote.training.joint import StageOne

app = typer.Typer(
    no_args_is_help=True,
    help="Train a stage: `warmup` (pictures and texts aligned), `sft` (contrastive), then `rl` (ranking).",
)


@app.command("warmup")
def train_warmup(
    notes: Notes,
    out: OutFolder = Path("model-warmup"),
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
    out: OutFolder = Path("model-sft"),
    features: Features = None,
    config: Config = None,
    set_: Set = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train stage 1: contrastive fine-tuning on soft labels. Run again after a kill to resume.

    At the end it says how far the model moved, and warns if it did not.
    """
    from uninote.pipeline.train import base_model, sft_model

    settings = settings_from(config, set_, seed)
    start = model or out / "base"
    if model is None:
        base_model(settings, start, features)
    stage = _stage_one(examples_file, reference or start, settings, features)
    trained = sft_model(start, stage.examples, stage.reference, settings, out, features, not quiet)
    _report(as_json, out, trained)


@app.command("rl")
def train_rl(
    notes: Notes,
    model: Model,
    examples: Annotated[
        Path | None,
        typer.Option(help="File of `uninote mine`: its stage 1 batches join the steps and keep the parts."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="Encoder of the soft labels of --examples; by default, --model.")
    ] = None,
    out: OutFolder = Path("model-rl"),
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
    training, behaviour = read_with_relations(notes, settings, "train", whole, model)
    related = behaviour.training(training) if behaviour else None
    joint = _stage_one(examples, reference or model, settings, features) if examples else None
    trained = rl_model(model, training, settings, out, features, not quiet, joint, relations=related)
    _report(as_json, out, trained)


def _stage_one(examples_file: Path, reference: Path, settings: Settings, features: Path | None) -> StageOne:
    """Read the training set of stage 1, labelled by the reference encoder."""
    from uninote.negatives import ReferenceIndex, usable_examples
    from uninote.negatives.files import read_examples
    from uninote.training.joint import StageOne
    from uninote.training.sft import example_items

    examples = read_examples(examples_file)
    whole = settings.negatives.composite == "whole"
    labels = ReferenceIndex(example_items(examples), encoder_of(reference, settings, features), whole)
    return StageOne(usable_examples(examples, labels), labels, settings.sft)


def _report(as_json: bool, out: Path, trained: Encoder) -> None:
    from dataclasses import asdict

    from accelerate import PartialState

    from uninote.training.movement import read_movement

    if PartialState().is_main_process:
        moved = read_movement(out / "run")
        result = {"model": str(out), "version": trained.version, "movement": asdict(moved) if moved else None}
        line = f"; {moved.sentence()}" if moved else ""
        emit(as_json, result, f"model {trained.version} in {out}{line}")
