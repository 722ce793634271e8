"""Stage 2 ranking policies by the name that `RlSettings.policy` gives them."""

from functools import partial

from uninote.settings import RlSettings
from uninote.training.policies.kl import group_kl
from uninote.training.policies.listwise import listwise
from uninote.training.policies.plackett_luce import plackett_luce
from uninote.training.policies.protocol import Policy, PolicyLoss, RewardFunction
from uninote.training.policies.softmax import softmax
from uninote.training.policies.weighted_softmax import weighted_softmax

POLICIES: dict[str, Policy] = {
    "softmax": softmax,
    "weighted_softmax": weighted_softmax,
    "plackett_luce": plackett_luce,
    "listwise": listwise,
}


def policy_of(settings: RlSettings) -> Policy:
    """Return the policy that the settings name, with their options of it."""
    if settings.policy != "plackett_luce":
        return POLICIES[settings.policy]
    return partial(plackett_luce, samples=settings.samples, standardise=settings.advantage == "standard")


__all__ = ["POLICIES", "Policy", "PolicyLoss", "RewardFunction", "group_kl", "policy_of"]
