"""Signal of a training, checked before its first step: what cannot have a gradient is refused or named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations

import torch

from uninote.errors import ConfigError
from uninote.negatives import Example
from uninote.settings import RlSettings, SftSettings
from uninote.tasks.definitions import Task
from uninote.training.inbatch import CandidateSets
from uninote.training.policies.protocol import RewardFunction
from uninote.training.rewards import ndcg_rewards, ranking_rewards

MOST = 256
"""Examples of a task that are compared with each other: enough to find one negative, if there are any."""

FIX = (
    "raise sft.batch_size, so that other examples are the negatives, mine some (negatives.per_query above 0, "
    "sft.negatives_per_query not 0), or bring notes of different content"
)

Sets = Callable[[Sequence[Example]], CandidateSets]


def tasks_without_negatives(examples: Sequence[Example], sets: Sets, settings: SftSettings) -> list[Task]:
    """Return the tasks none of whose queries can have a second candidate, in any batch.

    A query alone with its positive has the loss 0 and no gradient. Of a task with more than `MOST` examples
    that are candidates of each other nothing is said.
    """
    found = []
    for task in dict.fromkeys(example.pair.task for example in examples):
        members = [example for example in examples if example.pair.task is task]
        size = 1 if settings.batch_size == 1 else MOST
        if size < len(members) and not alone(settings):
            continue
        batches = (members[start : start + size] for start in range(0, len(members), size))
        if not any((sets(batch).mask.sum(-1) > 1).any() for batch in batches):
            found.append(task)
    return found


def alone(settings: SftSettings) -> bool:
    """Return whether a query has its own candidates only."""
    return settings.batch_size == 1 or settings.candidates == "own"


def require_negatives(examples: Sequence[Example], sets: Sets, settings: SftSettings) -> list[Task]:
    """Return the tasks without negatives.

    Raises ConfigError if those are all tasks, and by the settings, not only by the content of the notes.
    """
    without = tasks_without_negatives(examples, sets, settings)
    if alone(settings) and len(without) == len({example.pair.task for example in examples}):
        raise ConfigError(f"stage 1 cannot learn: no query has a negative beside its positive: {FIX}")
    return without


def reward_function(settings: RlSettings, n_relevant: torch.Tensor) -> RewardFunction:
    """Return the reward of the settings for queries with `n_relevant` relevant notes, int64 [B]."""
    if settings.reward == "ndcg":
        return partial(ndcg_rewards, n_relevant=n_relevant)
    return partial(
        ranking_rewards,
        n_relevant=n_relevant,
        penalty=settings.penalty,
        base_factor=settings.base_factor,
        absolute=settings.absolute,
        relative=settings.relative,
    )


def reward_orders(settings: RlSettings) -> bool:
    """Return whether the policy prefers some order of two relevant and two noise notes, by its reward.

    `plackett_luce` compares the mean reward of rankings, the softmax policies the rewards of places; a
    supervised policy needs none.
    """
    if settings.policy == "listwise":
        return True
    positions = torch.tensor(list(permutations([1, 2, 3, 3])))
    relevant = positions < 3
    total = reward_function(settings, torch.full((len(positions),), 2))(positions, relevant).total
    if settings.policy == "plackett_luce":
        total = total.mean(-1, keepdim=True).T
    return bool((total.amax(-1) - total.amin(-1) > 1e-6).any())


def require_reward(settings: RlSettings) -> None:
    """Raise ConfigError when every order of the candidates has the same reward."""
    if not reward_orders(settings):
        raise ConfigError(
            "stage 2 cannot learn: every order has the same reward: leave one of rl.penalty, rl.absolute and "
            "rl.relative on, or set rl.reward=ndcg"
        )
