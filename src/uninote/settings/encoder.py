"""Section `encoder`: a union of the settings classes of the registered backbones."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from uninote.backbones import BACKBONES, default_name, named
from uninote.errors import ConfigError
from uninote.lazy import resolve
from uninote.settings.section import Section

MODEL_DIMS = (64, 512, 1024, 2048, 4096)
"""Dimensions K of Eq. 14, extended to those of Qwen's 2B and 8B models; those wider than
the model are left out."""


class EncoderSettings(Section):
    """Options that every backbone shares; each has a subclass with its own, registered in `backbones.py`.

    `EncoderSettings(...)` and a configuration make the subclass that `backbone` names. Without a name, the
    subclass is that of Qwen-VL if `model` is set, else the compact one; options of the other are kept for a
    saved model that has them (`given`).

    Attributes:
        implementation: path of the backbone's class, `package.module:name`.
        changeable: options that a saved model may be loaded with, without effect on its vectors.
    """

    implementation: ClassVar[str]
    changeable: ClassVar[frozenset[str]] = frozenset({"token_budget", "remember", "device", "principal_axes"})

    backbone: str = ""
    max_tokens: int = Field(512, ge=16, le=32_768, description="longest sequence of one item")
    token_budget: int = Field(4096, ge=64, description="tokens in one encoding batch, padding included")
    dims: tuple[int, ...] = Field(MODEL_DIMS, description="Matryoshka dimensions")
    principal_axes: bool = Field(
        True,
        description="rotate trained vectors onto their principal axes, where possible: prefixes keep more",
    )
    remember: int = Field(0, ge=0, description="vectors kept so that an equal item is not encoded again")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:0, mps")
    _foreign: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """Options that were set, by name; those of another backbone among them, as they were given."""
        names = (name for name in type(self).model_fields if name in self.model_fields_set)
        return {name: getattr(self, name) for name in names} | self._foreign

    def require_own(self) -> None:
        """Raise ConfigError when an option of another backbone was set, which would have no effect."""
        if self._foreign:
            names = ", ".join(f"encoder.{name}" for name in sorted(self._foreign))
            raise ConfigError(
                f"the {self.backbone} backbone has no option {names}: leave it out, or set encoder.backbone"
            )

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
        foreign = {name: value for name, value in values.items() if name not in fitting}
        if "backbone" in values and foreign:
            raise ValueError(
                f"backbone {values['backbone']} has no option {', '.join(sorted(foreign))}: leave it out, or "
                "change encoder.backbone"
            )
        made = own.model_validate(fitting)
        made._foreign = foreign
        return made

    @property
    def takes_videos(self) -> bool:
        """Whether the model takes videos that were sampled by rate, else frames as pictures."""
        return False

    @classmethod
    def known_fields(cls) -> set[str]:
        """Return the options of all backbones of this package."""
        return {name for key in BACKBONES for name in encoder_class(key).model_fields}

    @classmethod
    def only(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return `values` without the options of other backbones of this package."""
        others = cls.known_fields()
        return {
            name: value for name, value in values.items() if name in cls.model_fields or name not in others
        }


def encoder_class(backbone: str) -> type[EncoderSettings]:
    """Return the settings class of a backbone. Raises ValueError for a name that is not registered."""
    found: type[EncoderSettings] = resolve(named(backbone))
    return found


def _backbone_of(values: dict[str, Any]) -> str:
    return str(values.get("backbone") or default_name(values.get("model")))
