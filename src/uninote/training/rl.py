"""Stage 2: ranking by group-relative policy optimisation (Eq. 9-13); the paper trains Note2Note."""

from __future__ import annotations

import logging
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from uninote.corpus.relations.graph import Relations
from uninote.encoder import Encoder
from uninote.encoder.axes import fit_axes
from uninote.errors import ModelError
from uninote.items import Note
from uninote.settings import RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.tasks.halves import Halves, one_sided, split_note
from uninote.tasks.pairs import make_pairs
from uninote.tasks.related import related_rankings
from uninote.training.anchor import Anchor
from uninote.training.gather import Shard
from uninote.training.gradcache import ChunkedEncoder, Side, encode_sides
from uninote.training.joint import StageOne, StageOneBatches
from uninote.training.memory import choose_memory
from uninote.training.movement import Start
from uninote.training.near_noise import near_noise
from uninote.training.objectives import prefix_cosines
from uninote.training.policies import group_kl, policy_of
from uninote.training.prefetch import Prefetch
from uninote.training.rl_batches import HalvesDataset, RlCollator
from uninote.training.rl_groups import top_group
from uninote.training.sampler import TaskBatchOrder
from uninote.training.sft import encoded_items, stage_one_loss
from uninote.training.sharding import fit_whole
from uninote.training.signal import FIX, require_negatives, require_reward, reward_function
from uninote.training.start import prepare_training, training_dims
from uninote.training.trainer import (
    METRICS,
    MetricsFile,
    Schedule,
    StageTrainer,
    conclude,
    training_arguments,
)

log = logging.getLogger(__name__)

SIDES = ("queries", "candidates")


class RlTrainer(StageTrainer):
    """Trainer of stage 2 on a `ChunkedEncoder`.

    `reference` is the frozen stage 1 model; None when the KL anchor is switched off. `stage_one` are the
    settings of the joint loss and `dims` its prefixes, of which the last is that of the rankings.
    """

    section = "rl"

    def __init__(
        self,
        *,
        settings: RlSettings,
        dims: Sequence[int],
        reference: Anchor | None,
        stage_one: SftSettings | None = None,
        shard: Shard | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.settings, self.dims, self.reference, self.stage_one = settings, dims, reference, stage_one
        self.shard = shard or Shard()

    def task_order(self, dataset: HalvesDataset) -> TaskBatchOrder:
        tasks = [(half.task, half.nested) for half in dataset.halves]
        return TaskBatchOrder(tasks, self.settings.batch_size, self.args.seed, world=self.shard.world)

    def _cosines(
        self, model: nn.Module, inputs: dict[str, Any], *others: Side
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """Return the cosines of the rankings, and the vectors of other sides, in one call of the model."""
        sides = [inputs["queries"], inputs["candidates"], *others]
        queries, candidates, *rest = encode_sides(model, sides, self.shard)
        return prefix_cosines(queries, candidates, self.dims[-1]), rest

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> Any:
        settings = self.settings
        joint = inputs.get("stage_one", {})
        cosines, vectors = self._cosines(model, inputs, *(joint[side] for side in SIDES if side in joint))
        relevant = inputs["relevant"]
        size = min(settings.group_size, int(inputs["mask"].sum(-1).min()))
        group = top_group(cosines, inputs["positions"], relevant, size, inputs["mask"])
        reward = reward_function(settings, relevant.sum(-1))
        # Its own generator, seeded by the step: a resumed run samples what the uninterrupted one did.
        generator = torch.Generator(cosines.device).manual_seed(
            self.args.seed * 65_537 + self.state.global_step
        )
        outcome = policy_of(settings)(group, reward, settings.temperature, generator)
        loss = outcome.loss
        if self.reference is not None:
            # In the precision of the trained model, or rounding alone would count as divergence.
            with self.reference as frozen, self.accelerator.autocast():
                anchored = self._cosines(frozen, inputs)[0].gather(-1, group.columns)
            kl = group_kl(group.cosines, anchored, settings.temperature)
            # Where no query of the batch has better and worse orders, the anchor alone would pull the model
            # back.
            loss = loss + settings.kl_weight * kl * (outcome.skipped < len(relevant))
            self.note(kl=kl)
        if vectors and self.stage_one is not None:
            parts = stage_one_loss(vectors[0], vectors[1], joint, self.stage_one, self.dims) / len(self.dims)
            loss = loss + settings.mix * parts
            self.note(stage_one=parts)
        self.note(
            reward=outcome.rewards.total.mean(),
            penalty=outcome.rewards.penalty.mean(),
            base=outcome.rewards.base.mean(),
            absolute=outcome.rewards.absolute.mean(),
            relative=outcome.rewards.relative.mean(),
            relevant_in_group=(group.relevant.sum(-1) / relevant.sum(-1)).mean(),
            skipped=outcome.skipped.float(),
        )
        return (loss, cosines) if return_outputs else loss


def rl_halves(
    notes: Sequence[Note], settings: RlSettings, seed: int, relations: Relations | None = None
) -> list[Halves]:
    """Make the stage 2 samples of `settings.tasks`.

    Note2Note: a note with `settings.relations` related notes or more ranks those, by weight; others with two
    pictures or more are split in halves, in `settings.halvings` ways. I2Note, T2Note: a part of each note,
    and as its ideal ranking the note it stands in, then the same note without the picture: not it, but the
    nearest to it.
    """
    made: list[Halves] = []
    rng = random.Random(seed)
    for task in map(Task, settings.tasks):
        if task is Task.NOTE2NOTE:
            ranked = related_rankings(notes, relations, settings.relations, settings.max_relevant)
            made += ranked.values()
            others = [note for note in notes if note.id not in ranked]
            for number in range(settings.halvings):
                split = (split_note(note, seed + number, settings.max_relevant) for note in others)
                halves = [half for half in split if half is not None]
                made += [one_sided(h, rng) if rng.random() < settings.one_sided else h for h in halves]
            continue
        for pair in make_pairs(notes, task, per_note=1, seed=seed):
            rest = pair.counterfactual
            if rest is not None and rest.key != pair.positive.key:
                made.append(Halves(pair.query, (pair.positive, rest), pair.task))
    return made


def ranked_items(halves: Sequence[Halves], settings: RlSettings) -> int:
    """Return the most items that a step encodes: queries, candidates (nested ones are one), noise."""
    own = max(1 if half.nested and settings.shared_prefixes else len(half.relevant) for half in halves)
    return settings.batch_size * (1 + own + settings.near) + settings.noise


def train_rl(
    encoder: Encoder,
    notes: Sequence[Note],
    settings: RlSettings,
    folder: Path,
    *,
    seed: int = 0,
    progress: bool = False,
    callbacks: Sequence[Any] = (),
    samples: Sequence[Halves] | None = None,
    stage_one: StageOne | None = None,
) -> Encoder:
    """Train `encoder` in place and return it; resumes, logs and repeats as `train_sft` does.

    Args:
        samples: queries with their ideal rankings; the halves of `notes` if None.
        callbacks: instances of `transformers.TrainerCallback`.
        stage_one: training set of stage 1, a batch of which joins every step, weighted by `settings.mix`.

    Raises:
        ConfigError: every order of the candidates has the same reward.
        ModelError: too few notes can be split in two halves with a picture each, or a loss is not a number.
    """
    require_reward(settings)
    halves = rl_halves(notes, settings, seed) if samples is None else samples
    if len(halves) < settings.batch_size:
        raise ModelError(
            f"stage 2 needs at least {settings.batch_size} notes with two or more pictures and some text; "
            f"there are {len(halves)}: bring more notes or lower rl.batch_size"
        )
    noise = [note.item() for note in notes]
    used = [*noise, *(item for half in halves for item in (half.query, *half.relevant))]
    near = near_noise(encoder, halves, noise) if settings.near else ()
    joint = stage_one if settings.mix else None
    budget = prepare_training(encoder, [*used, *(joint.items() if joint else ())], settings, seed, progress)
    start = Start(encoder, used)
    module: Any = encoder.backbone
    schedule = Schedule(settings.steps, settings.batch_size, settings.learning_rate, settings.save_every)
    arguments = training_arguments(folder, schedule, seed, encoder.device, progress)
    shard = Shard.current()
    batches = StageOneBatches(module, joint, shard, budget) if joint else None
    if joint and batches:
        for task in require_negatives(joint.examples, batches.collate.sets, joint.settings):
            log.warning("no query of %s has a negative, so its joint batches teach nothing: %s", task, FIX)
    encoded = ranked_items(halves, settings) + (encoded_items(joint.settings) if joint else 0)
    recompute = choose_memory(encoder, used, encoded, settings.chunk_size, "rl")
    model = ChunkedEncoder(module, recompute).to(arguments.device)
    trainer = RlTrainer(
        schedule=schedule,
        settings=settings,
        dims=training_dims(encoder),
        stage_one=joint.settings if joint else None,
        reference=None,
        shard=shard,
        model=model,
        args=arguments,
        train_dataset=HalvesDataset(halves),
        data_collator=Prefetch(RlCollator(module, noise, settings, shard, budget, batches, near)),
        callbacks=[MetricsFile(folder / METRICS), *callbacks],
    )
    if settings.kl_weight:
        trainer.reference = Anchor(model)
    fit_whole(trainer, encoder, settings.sharding)
    conclude(start, trainer, encoder)
    if trainer.mean_of("skipped") == settings.batch_size:
        log.warning(
            "stage 2 learned no order: all rankings of a query had the same reward in every step; raise "
            "rl.temperature (now %g), or bring notes whose order is not right already",
            settings.temperature,
        )
    fit_axes(encoder, used)
    return encoder
