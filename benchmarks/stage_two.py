"""Analysis of stage 2: what its lists can still teach, and how noisy the gradient of a reward is.

    python benchmarks/stage_two.py --notes path/to/notes.jsonl --model path/to/stage-1-model

No training. It measures the order that a stage 1 model already has, in the lists of a training step and
against all notes, of training and of held-out notes. Then it compares the gradient of the expected reward,
exact by enumeration of all rankings of short lists, with its estimate from samples.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.nn.functional import cosine_similarity

from uninote.corpus.skips import SkipReport
from uninote.encoder import Encoder
from uninote.encoder.loading import load_encoder
from uninote.evaluation.results import write_json
from uninote.items import Note
from uninote.pipeline.notes import annotate, load_notes, split
from uninote.settings import Settings, load_settings
from uninote.tasks.halves import Halves
from uninote.training.near_noise import digests, near_noise
from uninote.training.policies import plackett_luce
from uninote.training.policies.plackett_luce import log_prob_terms, sample_permutations
from uninote.training.rewards import ndcg_rewards, ranking_rewards
from uninote.training.rl import rl_halves
from uninote.training.rl_groups import Group, top_group

RESULTS = Path(__file__).parent / "results" / "stage-two.json"
TEMPERATURE = 0.05
"""Temperature of the policy whose gradient is analysed: the former default, that of stage 1."""
SHORT = 6
"""Length of the lists whose rankings are enumerated, 720 each."""
REPEATS = 32
"""Estimates of a gradient, whose spread is its noise."""
SAMPLES = (16, 64, 256)
LISTS = 200

Lists = list[tuple[Tensor, Tensor, Tensor]]
"""Cosines, true positions and relevance of the candidates of each query."""


def lists_of(
    encoder: Encoder, halves: Sequence[Halves], noise: Sequence[Sequence[Any]], shared: Sequence[Any]
) -> Lists:
    """Return the list of every query: its ranking, its own noise, and the noise that all share."""
    vectors = {}

    def known(items: Sequence[Any]) -> np.ndarray:
        new = list({item.key: item for item in items if item.key not in vectors}.values())
        if new:
            vectors.update(zip((item.key for item in new), encoder.encode(new), strict=True))
        return np.stack([vectors[item.key] for item in items])

    known([item for half in halves for item in (half.query, *half.relevant)])
    known([*shared, *(item for own in noise for item in own)])
    made = []
    for half, own in zip(halves, noise, strict=True):
        taken = digests(half.query) | digests(half.relevant[0])
        candidates = [*own, *(item for item in shared if taken.isdisjoint(digests(item)))]
        rows = known([*half.relevant, *candidates])
        positions = [*range(1, len(half.relevant) + 1), *[len(half.relevant) + 1] * len(candidates)]
        relevant = torch.arange(len(rows)) < len(half.relevant)
        cosines = torch.from_numpy(rows @ known([half.query])[0])
        made.append((cosines, torch.tensor(positions), relevant))
    return made


def order(lists: Lists, size: int, temperature: float) -> dict[str, float]:
    """Return how right the order of the lists is, and how much the rewards of sampled rankings differ."""
    groups = [top_group(*(part[None] for part in one), min(size, len(one[0]))) for one in lists]
    ndcg, first, whole, flat, spread = [], [], [], [], []
    for group, (_, _, relevant) in zip(groups, lists, strict=True):
        count = relevant.sum()[None]
        ndcg.append(float(ndcg_rewards(group.positions, group.relevant, count).total.mean()))
        first.append(float(group.relevant[0, 0]))
        best = group.positions[0, : int(count)].tolist() == list(range(1, int(count) + 1))
        whole.append(float(best))
        outcome = rewards_of(group, count, temperature, 64)
        flat.append(float(outcome.std() < 1e-6))
        spread.append(float(outcome.std()))
    names = ("ndcg", "first is relevant", "all in order", "rewards all equal", "deviation of the rewards")
    parts = (ndcg, first, whole, flat, spread)
    return {name: round(float(np.mean(part)), 4) for name, part in zip(names, parts, strict=True)}


def ranked(group: Group, rankings: Tensor) -> tuple[Tensor, Tensor]:
    """Return true positions and relevance in the order of each ranking, [rankings, B, G]."""
    positions, relevant = (
        part.expand(rankings.shape).gather(-1, rankings) for part in (group.positions, group.relevant)
    )
    return positions, relevant


def rewards_of(group: Group, count: Tensor, temperature: float, samples: int) -> Tensor:
    """Return the nDCG of sampled rankings, [samples]."""
    drawn = sample_permutations(group.cosines, temperature, samples)
    return ndcg_rewards(*ranked(group, drawn), count).total.mean(-1)[:, 0]


def exact_gradient(group: Group, reward: Any, temperature: float, standardise: bool) -> Tensor:
    """Return the gradient of -E[A log π] at the cosines of one short list, over all of its rankings."""
    cosines = group.cosines.clone().requires_grad_()
    every = torch.tensor(list(permutations(range(cosines.shape[-1]))))[:, None]
    log_pi = log_prob_terms(cosines, every, temperature).sum(-1)[:, 0]
    rewards = reward(*ranked(group, every)).total.mean(-1)[:, 0]
    chance = log_pi.detach().exp()
    mean = (chance * rewards).sum()
    advantage = rewards - mean
    if standardise:
        advantage = advantage / ((chance * advantage.square()).sum().sqrt() + 1e-6)
    (found,) = torch.autograd.grad(-(chance * advantage * log_pi).sum(), cosines)
    return found[0]


def sampled_gradient(
    group: Group, reward: Any, temperature: float, samples: int, standardise: bool
) -> Tensor:
    cosines = group.cosines.clone().requires_grad_()
    outcome = plackett_luce(
        group._replace(cosines=cosines),
        reward,
        temperature,
        samples=samples,
        first=cosines.shape[-1],
        standardise=standardise,
    )
    (found,) = torch.autograd.grad(outcome.loss, cosines)
    return found[0]


def gradients(lists: Lists, temperature: float) -> list[dict[str, Any]]:
    """Compare estimates with the exact gradient: cosine, noise over signal, and share in solved lists."""
    rows = []
    for name in ("parts", "ndcg"):
        for standardise in (True, False):
            exact, solved = [], []
            estimates: dict[int, list[tuple[float, float]]] = {count: [] for count in SAMPLES}
            for one in lists[:LISTS]:
                group = top_group(*(part[None] for part in one), SHORT)
                count = one[2].sum()[None]
                reward = partial(ndcg_rewards if name == "ndcg" else ranking_rewards, n_relevant=count)
                true = exact_gradient(group, reward, temperature, standardise)
                exact.append(float(true.norm()))
                inside = int(group.relevant.sum())
                ideal = group.positions[0, :inside].tolist() == sorted(group.positions[0].tolist())[:inside]
                solved.append(ideal)
                for samples in SAMPLES:
                    drawn = torch.stack(
                        [
                            sampled_gradient(group, reward, temperature, samples, standardise)
                            for _ in range(REPEATS)
                        ]
                    )
                    noise = float((drawn - true).square().sum(-1).mean().sqrt())
                    alike = float(cosine_similarity(drawn, true[None], dim=-1).mean())
                    estimates[samples].append((alike, noise / max(float(true.norm()), 1e-12)))
            total = sum(exact)
            rows.append(
                {
                    "reward": name,
                    "advantage": "standard" if standardise else "centred",
                    "lists": len(exact),
                    "share of lists in order": round(float(np.mean(solved)), 3),
                    "share of the gradient in lists in order": round(
                        sum(e for e, s in zip(exact, solved, strict=True) if s) / total, 3
                    ),
                    "samples": {
                        samples: {
                            "cosine with the exact gradient": round(float(np.mean([a for a, _ in found])), 3),
                            "noise over signal": round(float(np.median([n for _, n in found])), 2),
                        }
                        for samples, found in estimates.items()
                    },
                }
            )
    return rows


def analyse(encoder: Encoder, notes: dict[str, Sequence[Note]], settings: Settings) -> dict[str, Any]:
    """Return the order in each kind of lists of each split, and the gradients of the training lists."""
    rl, found = settings.rl, {}
    lists: dict[str, Lists] = {}
    everything = [note.item() for part in notes.values() for note in part]
    for name, part in notes.items():
        halves = list(rl_halves(part, rl, settings.seed))
        own = [note.item() for note in part]
        rng = np.random.default_rng(settings.seed)
        batch = [
            [own[i] for i in rng.choice(len(own), min(len(own), rl.noise), replace=False)] for _ in halves
        ]
        others = [
            [
                item
                for place in rng.choice(len(halves), min(len(halves), rl.batch_size) - 1, replace=False)
                if place != n
                for item in halves[place].relevant
            ]
            for n in range(len(halves))
        ]
        clean = [
            [
                item
                for item in [*a, *b]
                if (digests(h.query) | digests(h.relevant[0])).isdisjoint(digests(item))
            ]
            for h, a, b in zip(halves, batch, others, strict=True)
        ]
        kinds = {
            "a batch": (clean, ()),
            "near notes": (near_noise(encoder, halves, everything), ()),
            "all notes": ([()] * len(halves), everything),
        }
        for kind, (noise, shared) in kinds.items():
            made = lists_of(encoder, halves, noise, shared)
            found[f"{name}, {kind}"] = {"queries": len(made)} | order(made, rl.group_size, TEMPERATURE)
            lists[f"{name}, {kind}"] = made
    return {"order": found, "gradients": gradients(lists["train, a batch"], TEMPERATURE)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--features", type=Path, help="outputs of the towers by content")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    settings = load_settings(seed=arguments.seed)
    notes = load_notes(arguments.notes, settings, SkipReport())
    if arguments.features:
        notes = annotate(notes, settings, arguments.features.parent, SkipReport(), True)
    splits = split(notes, settings)
    encoder = load_encoder(arguments.model, settings, arguments.features)
    torch.manual_seed(arguments.seed)
    found = analyse(encoder, {"train": splits.train, "test": splits.test}, settings)
    console = Console()
    for name, row in found["order"].items():
        console.print(f"{name:20} " + "  ".join(f"{key} {value}" for key, value in row.items()))
    for row in found["gradients"]:
        console.print(row)
    command = f"python benchmarks/stage_two.py --notes {arguments.notes.name} --model MODEL"
    write_json(RESULTS, {"command": command, "seed": arguments.seed} | found)


if __name__ == "__main__":
    main()
