"""Sections of training: `sft` and `rl`, with their ablations as base classes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from uninote.settings.section import Section

Sharding = Literal["none", "fsdp"]


class LoraSettings(Section):
    """Low-rank adapters of one stage."""

    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)


class SftAblations(Section):
    """Options of stage 1 that the experiments change, for a comparison with the paper."""

    objective: Literal["symmetric_kl", "jensen_shannon", "kl", "infonce"] = "symmetric_kl"
    candidates: Literal["own", "batch"] = Field(
        "batch", description="own: the query's positive and its negatives; batch: all candidates of the batch"
    )
    cluster_size: int = Field(
        1, ge=1, description="examples with similar positives that enter a batch together; 1: at random"
    )
    positives_per_query: int = Field(
        1,
        ge=1,
        description="positives of one query that share its label; beyond these they are masked. infonce: 1",
    )
    positive_label: Literal["one", "reference"] = "one"
    negative_label: Literal["reference", "zero"] = Field(
        "reference", description="zero: labels are one-hot, without regard to the reference"
    )
    accumulate: int = Field(
        1, ge=1, description="forward passes that one step sums over; candidates=own only, else chunk_size"
    )


class SftSettings(SftAblations):
    """Stage 1: contrastive fine-tuning on soft labels (Eq. 6-8, 14)."""

    negatives_per_query: int | None = Field(
        None, ge=0, description="mined negatives that enter a batch per query; default: all (own), 1 (batch)"
    )
    temperature: float = Field(0.05, gt=0, description="tau of Eq. 6 and 7; the paper's is 0.02")
    steps: int = Field(300, ge=0)
    batch_size: int = Field(96, ge=1, description="queries of one step, over all devices")
    chunk_size: int | None = Field(
        None, ge=1, description="GradCache: items a device encodes at once; default: by memory"
    )
    sharding: Sharding = Field(
        "none", description="fsdp: the frozen weights of a large model in parts over the processes"
    )
    learning_rate: float = Field(3e-4, gt=0)
    head_learning_rate: float = Field(2e-3, gt=0, description="layers after frozen towers")
    text_dropout: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the note queries of warm-up and stage 1 that keep their pictures only",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="dropout on the outputs of the frozen towers")
    relations: bool = Field(
        True, description="train on pairs of related notes too, where relations are given"
    )
    warmup_ratio: float = Field(0.1, ge=0, lt=1)
    save_every: int = Field(50, ge=1)
    lora: LoraSettings = LoraSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.accumulate > 1 and self.candidates == "batch":
            raise ValueError(
                "accumulate would cut the batch that queries take their candidates from: "
                "use chunk_size, or candidates=own"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(f"batch_size {self.batch_size} is no multiple of accumulate {self.accumulate}")
        if self.objective == "infonce" and self.positives_per_query > 1:
            raise ValueError("infonce has one positive per query: choose a soft objective")
        return self


class RlAblations(Section):
    """Options of stage 2 that the experiments change, for a comparison with the paper."""

    policy: Literal["softmax", "weighted_softmax", "plackett_luce", "listwise"] = Field(
        "plackett_luce", description="listwise: supervised; the others learn from a reward, as in the paper"
    )
    penalty: float = Field(-5.0, le=0, description="C_pen of Eq. 11")
    base_factor: float = Field(3.0, ge=0, description="R_base of Eq. 11 in units of |L_rel|")
    absolute: bool = Field(True, description="add R_abs (Eq. 9)")
    relative: bool = Field(True, description="add R_rel (Eq. 10)")
    samples: int = Field(128, ge=2, description="rankings that plackett_luce draws of a query")
    advantage: Literal["standard", "centred"] = Field(
        "standard",
        description="standard: divided by the deviation of a query's rewards (Eq. 12); centred: not",
    )
    halvings: int = Field(1, ge=1, description="ways in which a note is split")
    one_sided: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the queries of Note2Note that keep only texts, or only pictures",
    )
    reward: Literal["parts", "ndcg"] = Field(
        "parts", description="parts: those above (Eq. 11); ndcg: each note's share of the nDCG of the group"
    )
    tasks: tuple[Literal["Note2Note", "I2Note", "T2Note"], ...] = Field(
        ("Note2Note",),
        min_length=1,
        description="tasks whose rankings are trained; the paper trains Note2Note",
    )


class RlSettings(RlAblations):
    """Stage 2: ranking by group-relative policy optimisation (Eq. 9-13)."""

    temperature: float = Field(0.1, gt=0)
    mix: float = Field(1.0, ge=0, description="weight of stage 1's loss, on a batch in every step; 0: none")
    kl_weight: float = Field(0.05, ge=0, description="beta; 0 switches the KL anchor off")
    group_size: int = Field(12, ge=2, description="G, the candidates kept of the predicted order")
    max_relevant: int = Field(6, ge=1, description="M, relevant notes per query")
    relations: int = Field(
        2, ge=0, description="related notes from which a note is ranked by them, not by halves; 0: never"
    )
    noise: int = Field(8, ge=1, description="noise notes of a batch, drawn at random")
    near: int = Field(
        4, ge=0, description="noise notes of each query, drawn from those nearest to it by the stage 1 model"
    )
    steps: int = Field(400, ge=0)
    batch_size: int = Field(16, ge=1, description="queries of one step, over all devices")
    chunk_size: int | None = Field(
        None, ge=1, description="GradCache: items a device encodes at once; default: by memory"
    )
    sharding: Sharding = Field(
        "none", description="fsdp: the frozen weights of a large model in parts over the processes"
    )
    shared_prefixes: bool = Field(
        True, description="encode the nested candidates of a query in one pass, where the backbone can"
    )
    learning_rate: float = Field(3e-4, gt=0)
    save_every: int = Field(100, ge=1)
    lora: LoraSettings = LoraSettings()
