"""All sections in one class, and their sources: defaults < config file < environment < command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from pydantic import (
    Field,
    SerializeAsAny,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    YamlConfigSettingsSource,
)

from uninote.errors import ConfigError
from uninote.problems import problems_of
from uninote.settings.data import (
    RATE,
    RATE_FRAMES,
    AnnotateSettings,
    CorpusSettings,
    NegativeSettings,
    TaskSettings,
)
from uninote.settings.encoder import EncoderSettings
from uninote.settings.evaluation import EvaluationSettings
from uninote.settings.experiments import ABLATIONS, ExperimentSettings, as_mapping, with_experiments
from uninote.settings.relations import RelationSettings
from uninote.settings.service import ClusterSettings, ServiceSettings, StoreSettings, StreamSettings
from uninote.settings.training import RlSettings, SftSettings
from uninote.settings.yaml_file import read_yaml


class _WithExperiments(PydanticBaseSettingsSource):
    """Mixin of a source: the old and the new place of an ablation are one, so that sources override alike."""

    def __call__(self) -> dict[str, Any]:
        return with_experiments(super().__call__())  # type: ignore[safe-super]  # of the source mixed in


class _CallSource(_WithExperiments, InitSettingsSource): ...


class _EnvironmentSource(_WithExperiments, EnvSettingsSource): ...


class _FileSource(_WithExperiments, YamlConfigSettingsSource): ...


class Settings(BaseSettings):
    """All sections. Build with `load_settings`, so that file errors read well."""

    model_config = SettingsConfigDict(
        env_prefix="UNINOTE_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    seed: int = 0
    corpus: CorpusSettings = CorpusSettings()
    relations: RelationSettings = RelationSettings()
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
    def _read(cls, values: Any) -> Any:
        found = with_experiments(values)
        if as_mapping(found.get("encoder")).get("video") == "native":
            corpus = as_mapping(found.get("corpus"))
            rate = {"frame_rate": corpus.get("frame_rate") or RATE}
            found["corpus"] = {"max_frames": RATE_FRAMES} | corpus | rate
        for stage, kind in ABLATIONS.items():
            given = as_mapping(as_mapping(found.get("experiments")).get(stage))
            known = {name: value for name, value in given.items() if name in kind.model_fields}
            if known:
                found[stage] = as_mapping(found.get(stage)) | known
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
        given = cast(InitSettingsSource, init_settings).init_kwargs
        return _CallSource(settings_cls, given), _EnvironmentSource(settings_cls), _FileSource(settings_cls)


def load_settings(file: Path | None = None, **overrides: Any) -> Settings:
    """Load defaults, then `file` (YAML), then the environment, then `overrides` (nested dicts).

    Raises ConfigError that names the field, what is wrong and what is allowed.
    """
    if file is not None:
        if not file.is_file():
            raise ConfigError(f"config file {file} does not exist")
        read_yaml(file)

    class FileSettings(Settings):
        model_config = SettingsConfigDict(yaml_file=file)

    try:
        return FileSettings(**overrides)
    except ValidationError as error:
        problems = problems_of(error, Settings)
        moved = {one.where.removeprefix("experiments.") for one in problems if "experiments." in one.where}
        told = "; ".join(str(one) for one in problems if one.where not in moved)
        raise ConfigError(f"bad setting: {told}") from error
    except SettingsError as error:
        _, section, _ = str(error).split('"', 2)
        name = f"UNINOTE_{section.upper()}"
        raise ConfigError(
            f"bad setting: sections and lists in the environment are JSON, such as [64, 128]: see {name}..."
        ) from error
    except ValueError as error:  # of one source: an ablation with two values, or bad JSON in the environment
        raise ConfigError(f"bad setting: {error}") from error
