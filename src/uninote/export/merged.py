"""Merged Qwen-VL model for servers: plain `transformers` layout, the prompt as its chat template.

The folder holds all that `SentenceTransformer(folder)` and vLLM read, without code of this package: weights,
tokenizer, picture processor, `modules.json` (last token, unit length) and `chat_template.jinja`, which
renders messages as `encoder.qwen.chat` renders items. A client checks its own prompts against
`uninote_prompt.json`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from uninote.encoder import Encoder
from uninote.encoder.qwen.backbone import QwenVLBackbone
from uninote.encoder.qwen.chat import INSTRUCTION, SEPARATOR
from uninote.encoder.qwen.pixels import MIN_UNITS
from uninote.export.messages import LIMITS, PROMPT_FILE
from uninote.tasks.definitions import INSTRUCTIONS

# The names that all versions of sentence-transformers, vLLM and TEI know.
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
]

TEMPLATE = """\
{%- set system = namespace(text=@INSTRUCTION@) -%}
{%- set seen = namespace(blocks=0, pictures=0) -%}
{%- macro escape(text) -%}
{%- set clean = namespace(text=text) -%}
{%- for token in @CONTROLS@ -%}
{%- set clean.text = clean.text.replace(token, token[0] + ' ' + token[1:]) -%}
{%- endfor -%}
{{- clean.text -}}
{%- endmacro -%}
{%- for message in messages if message.role == 'system' -%}
{%- if message.content is string -%}
{%- set system.text = message.content or system.text -%}
{%- else -%}
{%- for part in message.content if part.type == 'text' -%}
{%- set system.text = part.text or system.text -%}
{%- endfor -%}
{%- endif -%}
{%- endfor -%}
{{- @HEAD@ + escape(system.text) + @BODY@ -}}
{%- for message in messages if message.role != 'system' -%}
{%- if message.content is string -%}
{%- set parts = [{'type': 'text', 'text': message.content}] -%}
{%- else -%}
{%- set parts = message.content -%}
{%- endif -%}
{%- for part in parts -%}
{%- if part.type == 'text' -%}
{%- if part.text.strip() -%}
{{- (@SEPARATOR@ if seen.blocks else '') + escape(part.text.strip()) -}}
{%- set seen.blocks = seen.blocks + 1 -%}
{%- endif -%}
{%- else -%}
{%- set seen.pictures = seen.pictures + 1 -%}
{{- @SEPARATOR@ if seen.blocks else '' -}}
{%- if seen.pictures > 1 -%}{{- 'Picture ' ~ seen.pictures ~ ':' -}}
{%- elif seen.blocks -%}{{- 'Cover:' -}}{%- endif -%}
{{- @PICTURE@ -}}
{%- set seen.blocks = seen.blocks + 1 -%}
{%- endif -%}
{%- endfor -%}
{%- endfor -%}
{{- @TAIL@ -}}
"""


def write_merged(encoder: Encoder, folder: Path) -> None:
    """Merge the adapters of `encoder`, a Qwen-VL model, in place and write the folder."""
    from transformers import AutoConfig

    backbone = cast(QwenVLBackbone, encoder.backbone)
    folder.mkdir(parents=True, exist_ok=True)
    if hasattr(backbone.model, "peft_config"):
        backbone.model = backbone.model.merge_and_unload()
    template = chat_template(backbone)
    backbone.model.config.matryoshka_dimensions = list(encoder.dims)  # vLLM: what `dimensions` may be
    dtype = AutoConfig.from_pretrained(backbone.base, trust_remote_code=False).dtype
    backbone.model.to(dtype or backbone.model.dtype).save_pretrained(folder)  # merged in float32 on a CPU
    tokenizer, processor = backbone.tokenizer, backbone.processor
    tokenizer.chat_template = template
    tokenizer.model_max_length = backbone.settings.max_tokens
    tokenizer.save_pretrained(folder)
    unit = backbone.pixels.unit**2
    processor.size = {
        "shortest_edge": MIN_UNITS * unit,
        "longest_edge": max(1, backbone.settings.picture_pixels // unit) * unit,
    }
    processor.save_pretrained(folder)
    _write_modules(folder, backbone.width, encoder.dims[-1])
    _write(folder / PROMPT_FILE, prompt(backbone, encoder.dims, template))


def chat_template(backbone: QwenVLBackbone) -> str:
    """Return the Jinja template that renders a chat to the same tokens as `backbone.prepare`."""
    tokenizer, chat = backbone.tokenizer, backbone.chat
    head, body, picture, tail = chat.frame
    values: dict[str, Any] = {
        "@INSTRUCTION@": INSTRUCTION,
        "@CONTROLS@": sorted((t for t in tokenizer.get_added_vocab() if len(t) > 1), key=len, reverse=True),
        "@HEAD@": head,
        "@BODY@": body,
        "@SEPARATOR@": SEPARATOR,
        "@PICTURE@": picture,
        "@TAIL@": tail,
    }
    template = TEMPLATE
    for name, value in values.items():
        template = template.replace(name, json.dumps(value, ensure_ascii=False))
    return template


def prompt(backbone: QwenVLBackbone, dims: Sequence[int], template: str) -> dict[str, Any]:
    """Return the exact prompt with an example, the instructions, and limits that a client must keep."""
    example = [
        {"role": "system", "content": [{"type": "text", "text": next(iter(INSTRUCTIONS.values()))}]},
        {"role": "user", "content": [{"type": "text", "text": "A title"}, *[{"type": "image"}] * 2]},
    ]
    return {
        "pooling": "last token, then unit length; for a shorter vector cut, then unit length",
        "dims": list(dims),
        "default_instruction": INSTRUCTION,
        "query_instructions": {task.value: text for task, text in INSTRUCTIONS.items()},
        "example": {
            "messages": example,
            "prompt": backbone.tokenizer.apply_chat_template(example, chat_template=template, tokenize=False),
        },
        "limits": backbone.renderer.limits(),
        "encoder": backbone.settings.model_dump(include=LIMITS),
    }


def _write_modules(folder: Path, width: int, widest: int) -> None:
    way = {"method": "forward", "method_output_name": "last_hidden_state"}
    _write(folder / "modules.json", MODULES)
    _write(
        folder / "sentence_bert_config.json",
        {
            "transformer_task": "feature-extraction",
            "modality_config": {"text": way, "image": way, "message": {**way, "format": "structured"}},
            "module_output_name": "token_embeddings",
        },
    )
    _write(
        folder / "config_sentence_transformers.json",
        {
            "model_type": "SentenceTransformer",
            "prompts": {task.value: text for task, text in INSTRUCTIONS.items()},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
            "truncate_dim": widest if widest < width else None,
        },
    )
    for name in ("1_Pooling", "2_Normalize"):
        (folder / name).mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": width, "pooling_mode_lasttoken": True}
    _write(folder / "1_Pooling" / "config.json", pooling)
    _write(folder / "2_Normalize" / "config.json", {})


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
