"""Every option of UniNote in one typed class: defaults < config file < environment < command line.

Environment names are `UNINOTE_` + section + `__` + field, e.g. `UNINOTE_SFT__STEPS=300`.
"""

from uninote.settings.data import AnnotateSettings, CorpusSettings, NegativeSettings, TaskSettings
from uninote.settings.encoder import MODEL_DIMS, EncoderSettings, encoder_class
from uninote.settings.evaluation import EvaluationSettings
from uninote.settings.experiments import ABLATIONS, ExperimentSettings, with_experiments
from uninote.settings.relations import RelationSettings
from uninote.settings.root import Settings, load_settings
from uninote.settings.section import Section
from uninote.settings.service import ClusterSettings, ServiceSettings, StoreSettings, StreamSettings
from uninote.settings.training import LoraSettings, RlAblations, RlSettings, SftAblations, SftSettings

__all__ = [
    "ABLATIONS",
    "MODEL_DIMS",
    "AnnotateSettings",
    "ClusterSettings",
    "CorpusSettings",
    "EncoderSettings",
    "EvaluationSettings",
    "ExperimentSettings",
    "LoraSettings",
    "NegativeSettings",
    "RelationSettings",
    "RlAblations",
    "RlSettings",
    "Section",
    "ServiceSettings",
    "Settings",
    "SftAblations",
    "SftSettings",
    "StoreSettings",
    "StreamSettings",
    "TaskSettings",
    "encoder_class",
    "load_settings",
    "with_experiments",
]
