"""Every option of UniNote in one typed class: defaults < config file < environment < command line.

Environment names are `UNINOTE_` + section + `__` + field, e.g. `UNINOTE_SFT__STEPS=300`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    YamlConfigSettingsSource,
)

from uninote.backbones import BACKBONES, default_name, named
from uninote.errors import ConfigError
from uninote.lazy import resolve

MODEL_DIMS = (64, 512, 1024, 2048, 4096)
"""K of Eq. 14 and what Qwen's 2B and 8B models add; those wider than the model are left out."""


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CorpusSettings(Section):
    """Reading, filtering and splitting notes."""

    min_likes: int = Field(0, ge=0, description="drop notes with a known like count below this")
    min_text_chars: int = Field(1, ge=0, description="drop notes whose title and body are shorter together")
    min_pictures: int = Field(1, ge=0, description="drop notes with fewer pictures")
    max_pictures: int = Field(18, ge=1, description="keep only the first pictures of a longer note")
    max_picture_bytes: int = Field(20_000_000, ge=1, description="encoded size cap of one picture")
    max_picture_pixels: int = Field(40_000_000, ge=1, description="pixel cap, checked before decoding")
    min_picture_side: int = Field(8, ge=1, description="pictures with a shorter side are refused")
    max_frames: int = Field(8, ge=1, description="frames sampled uniformly from a video")
    balance_per_topic: int | None = Field(None, ge=1, description="keep at most this many notes a topic")
    test_fraction: float = Field(0.2, gt=0, lt=1)
    validation_fraction: float = Field(0.05, ge=0, lt=1)


class AnnotateSettings(Section):
    """Descriptions and OCR."""

    describe: Literal["none", "existing", "transformers", "openai"] = "existing"
    describe_model: str = Field("", description="local folder or hub id, or the endpoint's model name")
    endpoint: str = Field("", description="base URL of an OpenAI-compatible server, e.g. http://host:8000/v1")
    ocr: Literal["none", "existing", "rapidocr"] = "rapidocr"
    ocr_min_score: float = Field(0.6, ge=0, le=1)
    ocr_max_side: int = Field(640, ge=32, description="pictures are read at this longest side, in pixels")
    workers: int = Field(0, ge=0, description="parallel workers; 0 means one per core")


class TaskSettings(Section):
    """Cutting of pairs from notes (method, section 1)."""

    modal_replacement: bool = Field(
        True, description="the picture that finds its note is a description in it (Eq. 2); false: its pixels"
    )


class NegativeSettings(Section):
    """Hard negatives (method, section 1)."""

    per_query: int = Field(8, ge=0, description="hard negatives per query")
    band: tuple[float, float] = Field((0.90, 0.995), description="lower and upper edge of the band")
    band_unit: Literal["quantile", "similarity"] = "quantile"
    rule: bool = Field(True, description="add the counterfactual negative N minus the query picture")
    pool: int = Field(512, ge=1, description="nearest candidates looked at per query")
    composite: Literal["maxsim", "whole"] = Field(
        "maxsim", description="score of a note: best of its elements (Eq. 4), or of the note as one item"
    )


class EncoderSettings(Section):
    """Options that every backbone shares; each has a subclass with its own, registered in `backbones.py`.

    `EncoderSettings(...)` and a configuration make the subclass that `backbone` names. Without a name it is
    that of Qwen-VL if `model` is set, else the compact one, and the other's options have no effect.

    Attributes:
        implementation: path of the backbone's class, `package.module:name`.
    """

    implementation: ClassVar[str]

    backbone: str = ""
    max_tokens: int = Field(512, ge=16, le=32_768, description="longest sequence of one item")
    token_budget: int = Field(4096, ge=64, description="tokens in one encoding batch, padding included")
    dims: tuple[int, ...] = Field(MODEL_DIMS, description="Matryoshka dimensions")
    principal_axes: bool = Field(
        True,
        description="turn trained vectors onto their principal axes, where possible: prefixes keep more",
    )
    remember: int = Field(0, ge=0, description="vectors kept so that an equal item is not encoded again")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps")

    def __new__(cls, **values: Any) -> Self:
        own: Any = encoder_class(_backbone_of(values)) if cls is EncoderSettings else cls
        made: Self = super().__new__(own)
        return made

    @model_validator(mode="wrap")
    @classmethod
    def _of_backbone(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Any:
        if cls is not EncoderSettings or not isinstance(values, dict):
            return handler(values)
        own = encoder_class(_backbone_of(values))
        fitting = own.only(values)
        if "backbone" in values and len(fitting) < len(values):
            foreign = ", ".join(sorted(set(values) - set(fitting)))
            raise ValueError(
                f"backbone {values['backbone']} has no option {foreign}: leave it out, or change "
                "encoder.backbone"
            )
        return own.model_validate(fitting)

    @classmethod
    def only(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` without the options of other backbones of this package."""
        others = {name for key in BACKBONES for name in encoder_class(key).model_fields}
        return {
            name: value for name, value in values.items() if name in cls.model_fields or name not in others
        }


def encoder_class(backbone: str) -> type[EncoderSettings]:
    """Return the settings class of a backbone. Raises ValueError for a name that is not registered."""
    found: type[EncoderSettings] = resolve(named(backbone))
    return found


def _backbone_of(values: dict[str, Any]) -> str:
    return str(values.get("backbone") or default_name(values.get("model")))


class LoraSettings(Section):
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
        "reference", description="zero: labels are one-hot, whatever the reference says"
    )
    accumulate: int = Field(
        1, ge=1, description="forward passes one step is summed over; candidates=own only, else chunk_size"
    )


class SftSettings(SftAblations):
    """Stage 1: contrastive fine-tuning on soft labels (Eq. 6-8, 14)."""

    negatives_per_query: int | None = Field(
        None, ge=0, description="mined negatives that enter a batch per query; default: all (own), 1 (batch)"
    )
    temperature: float = Field(0.02, gt=0)
    steps: int = Field(300, ge=0)
    batch_size: int = Field(32, ge=1, description="queries of one step, over all devices")
    chunk_size: int | None = Field(
        None, ge=1, description="GradCache: items a device encodes at once; default: all of its share"
    )
    learning_rate: float = Field(3e-4, gt=0)
    head_learning_rate: float = Field(1e-4, gt=0, description="projector and vision head")
    text_dropout: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the note queries of warm-up and stage 1 that keep their pictures only",
    )
    frozen_towers: bool | None = Field(
        None,
        description="train only what follows the towers, which run once per item; default: where possible",
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="of what the frozen towers say")
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

    policy: Literal["softmax", "weighted_softmax", "plackett_luce"] = "plackett_luce"
    penalty: float = Field(-5.0, le=0, description="C_pen of Eq. 11")
    base_factor: float = Field(3.0, ge=0, description="R_base of Eq. 11 in units of |L_rel|")
    absolute: bool = Field(True, description="add R_abs (Eq. 9)")
    relative: bool = Field(True, description="add R_rel (Eq. 10)")
    reward: Literal["parts", "ndcg"] = Field(
        "parts", description="parts: those above (Eq. 11); ndcg: what each note adds to the nDCG of the group"
    )
    tasks: tuple[Literal["Note2Note", "I2Note", "T2Note"], ...] = Field(
        ("Note2Note",), min_length=1, description="whose rankings are trained; the paper's is Note2Note"
    )


class RlSettings(RlAblations):
    """Stage 2: ranking by group-relative policy optimisation (Eq. 9-13)."""

    temperature: float = Field(0.02, gt=0)
    kl_weight: float = Field(0.05, ge=0, description="beta; 0 switches the KL anchor off")
    group_size: int = Field(12, ge=2, description="G, the candidates kept of the predicted order")
    max_relevant: int = Field(6, ge=1, description="M, relevant notes per query")
    noise: int = Field(8, ge=1, description="noise notes shared by the batch, per query at least")
    steps: int = Field(400, ge=0)
    batch_size: int = Field(8, ge=1, description="queries of one step, over all devices")
    chunk_size: int | None = Field(
        None, ge=1, description="GradCache: items a device encodes at once; default: all of its share"
    )
    frozen_towers: bool | None = Field(
        None,
        description="train only what follows the towers, which run once per item; default: where possible",
    )
    shared_prefixes: bool = Field(
        True, description="encode the nested candidates of a query in one pass, where the backbone can"
    )
    learning_rate: float = Field(3e-5, gt=0)
    save_every: int = Field(100, ge=1)
    lora: LoraSettings = LoraSettings()


class ExperimentSettings(Section):
    """Ablations of both stages. In Python they are fields of `SftSettings` and `RlSettings`."""

    sft: SftAblations = SftAblations()
    rl: RlAblations = RlAblations()


ABLATIONS: dict[str, type[Section]] = {"sft": SftAblations, "rl": RlAblations}


def with_experiments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return nested options in which every ablation is in the section `experiments`.

    Before that section existed they were in `sft` and `rl`, where they are still read. Raises ValueError when
    both places say different things.
    """
    found = dict(values)
    for stage, kind in ABLATIONS.items():
        own = found.get(stage)
        if not isinstance(own, Mapping) or not (moved := kind.model_fields.keys() & own.keys()):
            continue
        experiments = _plain(found.get("experiments"))
        chosen = {name: value for name, value in own.items() if name in moved}
        given = _plain(experiments.get(stage))
        for name in chosen.keys() & given.keys():
            if chosen[name] != given[name]:
                raise ValueError(f"{stage}.{name} is now experiments.{stage}.{name}: set that one alone")
        found["experiments"] = {**experiments, stage: chosen | given}
        found[stage] = {name: value for name, value in own.items() if name not in moved}
    return found


def _plain(section: Any) -> dict[str, Any]:
    """Return what a section sets; nothing of what is no section, which validation refuses."""
    if isinstance(section, BaseModel):
        return section.model_dump(exclude_unset=True)
    return dict(section) if isinstance(section, Mapping) else {}


class EvaluationSettings(Section):
    ks: tuple[int, ...] = (1, 5, 10)
    bootstrap: int = Field(1000, ge=0, description="resamples of the queries for the 95 % interval")


class StoreSettings(Section):
    """Address and index of the vectors."""

    address: str = Field(
        "", description="PostgreSQL or Milvus address; empty: the embedded server in the work folder"
    )
    index: Literal["exact", "hnsw"] = "hnsw"


class ServiceSettings(Section):
    """The HTTP service. The database is `store.address`, or the embedded server in the served folder."""

    url_hosts: tuple[str, ...] = Field(
        (),
        description="hosts that pictures may be fetched from by URL; .example.com: all below; empty: none",
    )
    fetch_seconds: float = Field(10, gt=0, description="longest fetch of one URL, redirects included")
    max_body_bytes: int = Field(33_554_432, ge=1024, description="longest request body")
    body_seconds: float = Field(30, gt=0, description="longest time a request body may take to arrive")
    max_video_bytes: int = Field(20_000_000, ge=1, description="encoded size cap of one video")
    max_batch: int = Field(64, ge=1, description="notes, samples or embedding inputs of one request")
    batch_wait_ms: float = Field(5, ge=0, description="how long a request waits for others to share a batch")
    queue_items: int = Field(512, ge=1, description="items that wait to be encoded; beyond it: 429")
    queue_calls: int = Field(256, ge=1, description="database and media calls that wait; beyond it: 429")
    threads: int = Field(
        8, ge=2, description="threads for the database, and its connections; as many for media"
    )
    rate_per_second: float = Field(0, ge=0, description="requests per second of one key; 0: no limit")
    drain_seconds: float = Field(0, ge=0, description="after SIGTERM: not ready, but serving, for so long")
    shutdown_seconds: int = Field(30, ge=1, description="after that: time for requests under way to finish")
    remember: int = Field(10_000, ge=0, description="vectors kept so that an equal item is not encoded again")
    keep_pictures: bool = Field(True, description="store picture bytes: for the console, backfill and export")

    @model_validator(mode="after")
    def _fits_queue(self) -> Self:
        if self.max_batch > self.queue_items:
            raise ValueError(f"queue_items {self.queue_items} must hold one batch of {self.max_batch}")
        return self


class StreamSettings(Section):
    """Notes from a Redis stream, stored and matched beside the HTTP service."""

    address: str = Field("", description="redis://user:password@host:port/0, rediss:// for TLS; empty: none")
    name: str = Field("notes", min_length=1, description="the stream; dead letters go to NAME:dead")
    group: str = Field("uninote", min_length=1, description="the consumer group that all replicas share")
    consumer: str = Field("", description="name of this process in it; empty: host name and process id")
    batch: int = Field(64, ge=1, description="messages stored in one transaction, service.max_batch at most")
    idle_seconds: float = Field(60, gt=0, description="after so long others take a dead process's messages")
    deliveries: int = Field(5, ge=1, description="a message that is delivered more often is a dead letter")


class ClusterSettings(Section):
    """A Milvus cluster that the service fills and searches; the database stays the truth."""

    address: str = Field(
        "", description="milvus://user:password@host:19530, milvus+tls: with TLS; empty: none"
    )
    collection: str = Field(
        "uninote",
        pattern=r"^[a-z][a-z0-9_]{0,19}$",
        description="collections are named after it and the model version",
    )
    index: Literal["exact", "hnsw"] = Field("hnsw", description="chosen when a collection is made")
    consistency: Literal["strong", "session", "bounded"] = Field(
        "bounded", description="which writes a search waits for"
    )
    search: bool = Field(True, description="search there; false: fill it only")
    fallback: bool = Field(
        True, description="search the database while the cluster is away or being filled; false: 503"
    )
    search_seconds: float = Field(5, gt=0, description="longest search of the cluster")


class Settings(BaseSettings):
    """All sections. Build with `load_settings`, so that file errors read well."""

    model_config = SettingsConfigDict(
        env_prefix="UNINOTE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    seed: int = 0
    corpus: CorpusSettings = CorpusSettings()
    annotate: AnnotateSettings = AnnotateSettings()
    tasks: TaskSettings = TaskSettings()
    negatives: NegativeSettings = NegativeSettings()
    encoder: SerializeAsAny[EncoderSettings] = Field(default_factory=EncoderSettings)
    sft: SftSettings = SftSettings()
    rl: RlSettings = RlSettings()
    experiments: ExperimentSettings = ExperimentSettings()
    evaluation: EvaluationSettings = EvaluationSettings()
    store: StoreSettings = StoreSettings()
    service: ServiceSettings = ServiceSettings()
    stream: StreamSettings = StreamSettings()
    cluster: ClusterSettings = ClusterSettings()

    @model_validator(mode="before")
    @classmethod
    def _read_experiments(cls, values: Any) -> Any:
        found = with_experiments(values)
        for stage, kind in ABLATIONS.items():
            given = _plain(_plain(found.get("experiments")).get(stage))
            known = {name: value for name, value in given.items() if name in kind.model_fields}
            if known:
                found[stage] = _plain(found.get(stage)) | known
        return found

    @model_serializer(mode="wrap")
    def _write_experiments(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        content = handler(self)
        content.pop("experiments", None)
        return with_experiments(content)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)


def load_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Load defaults, then `file` (YAML), then the environment, then `overrides` (nested dicts).

    Raises ConfigError that names the field, what is wrong and what is allowed.
    """
    if file is not None and not file.is_file():
        raise ConfigError(f"config file {file} does not exist")

    class FileSettings(Settings):
        model_config = SettingsConfigDict(yaml_file=file)

    try:
        return FileSettings(**overrides)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(step) for step in problem['loc'])}: {problem['msg']}"
            for problem in error.errors()
        )
        raise ConfigError(f"bad setting: {problems}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"config file {file} is not valid YAML: {error}") from error
