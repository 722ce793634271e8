"""Trainer base of both stages on the Hugging Face `Trainer`: arguments, logs, small checkpoints, resume."""

from __future__ import annotations

import json
import logging
import math
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)
from transformers.trainer_callback import ProgressCallback

from uninote.encoder import Encoder
from uninote.encoder.capabilities import ParamGroups
from uninote.errors import ModelError
from uninote.progress import Step, show_progress
from uninote.training.movement import Start, write_movement
from uninote.training.prefetch import arrived
from uninote.training.sampler import FollowEpochs, TaskBatchOrder

METRICS = "metrics.jsonl"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Schedule:
    """Schedule of a stage: duration and rates, as the Hugging Face arguments take them."""

    steps: int
    batch_size: int
    learning_rate: float
    save_every: int
    warmup_ratio: float = 0.1
    head_learning_rate: float | None = None


def training_arguments(
    folder: Path, schedule: Schedule, seed: int, device: torch.device, progress: bool
) -> TrainingArguments:
    cuda = device.type == "cuda"
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=schedule.steps,
        per_device_train_batch_size=schedule.batch_size,
        learning_rate=schedule.learning_rate,
        warmup_steps=round(schedule.warmup_ratio * schedule.steps),
        lr_scheduler_type="cosine",
        # A divisor of the checkpoint interval: a resumed run averages its logs over the same steps.
        logging_steps=math.gcd(schedule.save_every, max(1, min(10, schedule.steps // 20))),
        save_steps=schedule.save_every,
        save_total_limit=2,
        report_to=["tensorboard"],
        seed=seed,
        use_cpu=device.type == "cpu",
        bf16=cuda and torch.cuda.is_bf16_supported(),
        remove_unused_columns=False,
        dataloader_drop_last=True,
        dataloader_pin_memory=cuda,
        disable_tqdm=not progress,
        label_names=[],
        logging_nan_inf_filter=False,  # a loss that is not a number ends the training
    )


class MetricsFile(TrainerCallback):  # type: ignore[misc]
    """Metrics file: every logged step as one JSON line; a resume drops the lines after the checkpoint."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not state.is_world_process_zero:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        kept = []
        if self.path.exists() and state.global_step:
            lines = [line for line in self.path.read_text().splitlines() if line.endswith("}")]
            kept = [line for line in lines if json.loads(line)["step"] <= state.global_step]
        self.path.write_text("".join(f"{line}\n" for line in kept))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and state.is_world_process_zero and "train_runtime" not in logs:
            with self.path.open("a") as file:
                file.write(json.dumps({"step": state.global_step, **logs}) + "\n")


class LossBar(TrainerCallback):  # type: ignore[misc]
    """Progress bar of the training with its last loss, instead of the library's bar and lines of numbers."""

    def __init__(self, bar: Step) -> None:
        self.bar = bar

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.bar.advance(state.global_step - self.bar.done)

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        if logs and "loss" in logs:
            self.bar.describe(f"training, loss {logs['loss']:.3f}")


class StageTrainer(Trainer):  # type: ignore[misc]
    """Trainer base: a stage overrides its data side and `compute_loss`; the loop is the library's."""

    optimizer: torch.optim.Optimizer | None
    section = ""
    """Section of the settings that the stage trains by."""

    def __init__(self, *, schedule: Schedule, **options: Any) -> None:
        super().__init__(**options)
        self.schedule = schedule
        self.model_accepts_loss_kwargs = False
        # Bars and numbers of the library's own: progress is shown by `fit`, numbers are in the metrics file.
        self.remove_callback(ProgressCallback)
        self.remove_callback(PrinterCallback)
        self.parts: dict[str, list[float]] = {}

    def task_order(self, dataset: Any) -> TaskBatchOrder | None:
        """Return the order of the training examples; None for the library's."""
        return None

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        dataset = train_dataset if train_dataset is not None else self.train_dataset
        order = self.task_order(dataset)
        if order is None:
            return super()._get_train_sampler(dataset)
        self.add_callback(FollowEpochs(order))
        return order

    def _prepare_inputs(self, inputs: Any) -> Any:
        return super()._prepare_inputs(arrived(inputs))

    def fit(self) -> None:
        """Train from the last checkpoint of the output folder, if any; a finished run is only loaded.

        Raises ModelError when no parameter trains, or a loss or gradient is not a number: before it reaches
        the weights, so the last checkpoint is sound.
        """
        if not any(parameter.requires_grad for parameter in self.model.parameters()):
            raise ModelError(
                "no parameter of the model trains: all are frozen; choose another encoder.backbone, or let "
                "its `start` leave some that require gradients"
            )
        step, checkpoint = last_checkpoint(Path(self.args.output_dir))
        if step < self.schedule.steps:
            show = not self.args.disable_tqdm and self.is_world_process_zero()
            with show_progress("training", self.schedule.steps, done=step, show=show) as bar:
                self.add_callback(LossBar(bar))
                self.train(resume_from_checkpoint=checkpoint)
        elif checkpoint:
            # The library would take one step more than asked for.
            self._load_from_checkpoint(checkpoint)
        self.model.eval()

    def _light_adapters(self) -> AbstractContextManager[Any]:
        """Leave casts of the adapters' inputs to autocast: peft keeps one for each."""
        if not self.args.bf16:
            return nullcontext()
        from peft.helpers import disable_input_dtype_casting

        light: AbstractContextManager[Any] = disable_input_dtype_casting(self.model)
        return light

    def training_step(self, *args: Any, **options: Any) -> torch.Tensor:
        with self._light_adapters():
            loss: torch.Tensor = super().training_step(*args, **options)
        self._require_finite("loss", float(loss))
        return loss

    def _get_grad_norm(self, *args: Any, **options: Any) -> Any:
        norm = super()._get_grad_norm(*args, **options)
        self._require_finite("gradient", float(norm))
        self.note(no_gradient=torch.tensor(float(norm) == 0, dtype=torch.float32))
        return norm

    def _require_finite(self, what: str, value: float) -> None:
        if math.isfinite(value):
            return
        step, _ = last_checkpoint(Path(self.args.output_dir))
        kept = f"the checkpoint of step {step} is kept" if step else "no checkpoint was written yet"
        raise ModelError(
            f"the {what} of step {self.state.global_step + 1} is {value}: lower {self.section}.learning_rate "
            f"(now {self.args.learning_rate:g}) or raise {self.section}.temperature, and run again; {kept}"
        )

    def mean_of(self, name: str) -> float | None:
        """Return the mean of a noted part over all steps, those before a resume too; None without steps."""
        file = Path(self.args.output_dir) / METRICS
        lines = map(json.loads, file.read_text().splitlines()) if file.is_file() else ()
        values = [line[name] for line in lines if name in line]
        return sum(values) / len(values) if values else None

    def note(self, **parts: torch.Tensor) -> None:
        """Record parts of the loss; the next log contains their means since the last one."""
        for name, value in parts.items():
            self.parts.setdefault(name, []).append(float(value.detach()))

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        means = {name: sum(values) / len(values) for name, values in self.parts.items() if values}
        self.parts.clear()
        super().log({**logs, **means}, start_time)

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """Build AdamW with the rates and decays of `ParamGroups`; of the others only matrices are decayed."""
        if self.optimizer is None:
            rate = self.args.learning_rate
            module = self.accelerator.unwrap_model(model or self.model)
            head_rate = self.schedule.head_learning_rate or rate
            own = module.param_groups(rate, head_rate) if isinstance(module, ParamGroups) else []
            named = {id(parameter): group for group in own for parameter in group.parameters}
            groups: dict[tuple[float, float], list[nn.Parameter]] = {}
            for parameter in module.parameters():
                if parameter.requires_grad:
                    group = named.get(id(parameter))
                    decay = 0.01 if parameter.ndim > 1 else 0.0
                    key = (group.rate, group.decay) if group else (rate, decay)
                    groups.setdefault(key, []).append(parameter)
            self.optimizer = torch.optim.AdamW(
                [
                    {"params": parameters, "lr": rate, "weight_decay": decay}
                    for (rate, decay), parameters in groups.items()
                ]
            )
        return self.optimizer

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """Save only what is trained: the pretrained towers come from their packages."""
        trained = {name for name, parameter in self.model.named_parameters() if parameter.requires_grad}
        state = state_dict if state_dict is not None else self.model.state_dict()
        super()._save(output_dir, {name: tensor for name, tensor in state.items() if name in trained})

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        """Warn of unexpected keys; frozen weights are missing from a checkpoint by design."""
        if load_result.unexpected_keys:
            super()._issue_warnings_after_load(load_result)


def conclude(start: Start, trainer: StageTrainer, encoder: Encoder) -> None:
    """Write how far the model moved into the folder of the run, and warn if it did not."""
    movement = start.movement(encoder, trainer.mean_of("no_gradient"))
    if trainer.is_world_process_zero():
        write_movement(movement, Path(trainer.args.output_dir))
    if movement.unmoved:
        section = trainer.section
        if not trainer.schedule.steps:
            reason = f"{section}.steps is 0"
        elif movement.without_gradient == 1:
            reason = "no step had a gradient: the candidates of every query count as equally good"
        else:
            reason = f"{section}.learning_rate is too small, or {section}.temperature extreme"
        log.warning("the stage did not move the model: %s", reason)


def last_checkpoint(folder: Path) -> tuple[int, str | None]:
    """Find step and folder of the newest whole checkpoint; (0, None) if none exists.

    Half-written ones, left by a kill, are removed.
    """
    found: list[tuple[int, str]] = []
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            # The library writes this file last, so the checkpoint is whole.
            step = json.loads((checkpoint / "trainer_state.json").read_text())["global_step"]
        except (OSError, ValueError, KeyError):
            shutil.rmtree(checkpoint)
            continue
        found.append((step, str(checkpoint)))
    return max(found, default=(0, None))
