"""Export for sentence-transformers: a folder of `UniNoteModule`, then the library's own `Normalize`.

The folder holds weights and JSON; the code is this installed package. sentence-transformers 6 imports a class
of any other package only where the caller says so:

    SentenceTransformer(folder, trust_remote_code=True)   # no code is in the folder, so none of it can run
    load_sentence_transformer(folder)                     # the same model, nothing to trust
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import torch

from uninote.encoder import Encoder
from uninote.encoder.bad_rows import bad_rows
from uninote.errors import ItemError, ModelError
from uninote.export.inputs import to_prompted
from uninote.export.messages import PROMPT_FILE
from uninote.extras import needs
from uninote.items import Item
from uninote.tasks.definitions import INSTRUCTIONS

with needs("export"):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import InputModule
    from sentence_transformers.base.modules.normalize import Normalize

HUB_OPTIONS = ("token", "cache_folder", "revision", "local_files_only")
PREFIX = "uninote_"
"""Inputs of the backbone among the features of sentence-transformers."""


class UniNoteModule(InputModule):
    """Backbone as the first module of a `SentenceTransformer`: inputs to items, items to read-outs.

    It takes the inputs of `inputs.to_item`. A prompt, or a system message, is the instruction of a backbone
    that uses instructions; for another it is the first text of the item.
    """

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.backbone: Any = encoder.backbone
        self.settings, self.version = encoder.settings, encoder.version
        self.width = encoder.dims[-1]

    @property
    def modalities(self) -> list[Any]:
        return ["text", "image", "message"]

    @property
    def max_seq_length(self) -> int:
        return self.settings.max_tokens

    @property
    def tokenizer(self) -> Any:  # type: ignore[override]
        return self.backbone.tokenizer

    def get_embedding_dimension(self) -> int:
        return self.width

    def preprocess(self, inputs: Sequence[Any], prompt: str | None = None, **_: Any) -> dict[str, Any]:
        """Prepare a batch. Raises ItemError or PictureError that names the input which cannot be read."""
        items: list[Item] = []
        instructions: set[str] = set()
        for value in inputs:
            item, system = to_prompted(value)
            instruction = system or prompt or ""
            if instruction and not self.backbone.uses_instructions:
                item, instruction = Item.of(instruction, *item.parts), ""
            items.append(item)
            instructions.add(instruction)
        if len(instructions) > 1:
            raise ModelError(
                "one batch takes one instruction: encode inputs with other system messages apart"
            )
        prepared = self.backbone.prepare(items, instructions.pop() if instructions else "")
        return {PREFIX + name: tensor for name, tensor in prepared.items()}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        inputs = {
            name.removeprefix(PREFIX): features.pop(name)
            for name in list(features)
            if name.startswith(PREFIX)
        }
        hidden: torch.Tensor = self.backbone(**inputs)[:, : self.width]
        if not torch.is_grad_enabled():
            for number, error in bad_rows(hidden.float().cpu().numpy()).items():
                raise ItemError(f"input {number} of a batch of {len(hidden)}: {error}")
        return {**features, "sentence_embedding": hidden}

    def save(self, output_path: str, *_: Any, **__: Any) -> None:
        device = next(self.backbone.parameters()).device
        settings = self.settings.model_copy(update={"device": str(device)})
        encoder = Encoder(self.backbone, settings, self.version)
        encoder.settings = self.settings
        encoder.save(output_path)

    @classmethod
    def load(  # type: ignore[override]  # no defaults of the library are filled in
        cls,
        model_name_or_path: str,
        subfolder: str = "",
        token: bool | str | None = None,
        cache_folder: str | None = None,
        revision: str | None = None,
        local_files_only: bool = False,
        **_: Any,
    ) -> Self:
        """Load a folder, local or of the hub. Raises ModelError when it holds no UniNote model."""
        folder = cls.load_dir_path(
            model_name_or_path, subfolder, token, cache_folder, revision, local_files_only
        )
        if folder is None:
            raise ModelError(f"{model_name_or_path!r} is neither a folder nor a model on the hub")
        return cls(Encoder.load(folder))


def load_sentence_transformer(folder: str | Path, **options: Any) -> SentenceTransformer:
    """Load an exported or trained folder, local or on the hub, as a `SentenceTransformer`.

    It imports nothing that a folder names: a model of UniNote becomes `UniNoteModule`, a merged one is of the
    library's own modules.

    Args:
        options: arguments of `SentenceTransformer`, such as truncate_dim, device, revision and token.

    Raises ModelError when there is no such model.
    """
    hub = {name: options[name] for name in HUB_OPTIONS if name in options}
    local = UniNoteModule.load_dir_path(str(folder), **hub)
    if local is not None and Path(local, PROMPT_FILE).is_file():
        return SentenceTransformer(local, **options)
    return _assemble(UniNoteModule.load(local or str(folder), **hub), **options)


def _assemble(module: UniNoteModule, **options: Any) -> SentenceTransformer:
    if module.backbone.uses_instructions:
        options.setdefault("prompts", {task.value: text for task, text in INSTRUCTIONS.items()})
    return SentenceTransformer(modules=[module, Normalize()], similarity_fn_name="cosine", **options)


def write_sentence_transformer(encoder: Encoder, folder: Path) -> None:
    """Write the folder of a backbone that sentence-transformers has no modules for."""
    _assemble(UniNoteModule(encoder), device=str(encoder.device)).save(str(folder), create_model_card=False)
