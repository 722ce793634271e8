"""Layout of stored vectors: dimension, precision and index, chosen from the model and section `store`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from uninote.errors import ConfigError
from uninote.settings import StoreSettings
from uninote.store.pgvector.search import HNSW_DIMS, MAX_DIMS, Precision

Index = Literal["exact", "hnsw"]
Kind = Literal["postgresql", "milvus", "memory"]

MEMORY = "memory"
MILVUS = ("milvus://", "milvus+tls://")
MILVUS_DIMS = 32_768
"""Most dimensions of a float vector in Milvus, with any index."""
PRECISIONS: tuple[Precision, ...] = ("single", "half")


@dataclass(frozen=True)
class Layout:
    """Layout of one collection."""

    dim: int
    precision: Precision = "single"
    index: Index = "hnsw"

    def applied(self, store: StoreSettings) -> StoreSettings:
        """Return `store` with this layout, every part of it set."""
        return store.model_copy(update={"dims": self.dim, "precision": self.precision, "index": self.index})


def kind_of(address: str) -> Kind:
    """Return the kind of store that `store.address` names."""
    if address == MEMORY:
        return "memory"
    return "milvus" if address.startswith(MILVUS) else "postgresql"


def layout_of(dims: Sequence[int], store: StoreSettings, kind: Kind | None = None) -> Layout:
    """Choose the layout for vectors of a model trained at `dims`.

    What `store` sets is kept. The rest is the first that an HNSW index holds: all dimensions in 32 bits, all
    in 16 bits, then the next narrower Matryoshka dimension. If none fits, the index is `exact`, unless
    `store` asks for HNSW.

    Args:
        dims: trained Matryoshka dimensions; at least one.
        kind: of store; that of `store.address` if None.

    Raises ConfigError for a dimension that was not trained, and for options that exclude each other.
    """
    kind = kind or kind_of(store.address)
    if kind != "postgresql" and store.precision == "half":
        raise ConfigError(f"store.precision=half is for PostgreSQL, not {kind}: leave store.precision out")
    if store.dims is not None and store.dims not in dims:
        raise ConfigError(
            f"store.dims={store.dims} is no dimension that the model was trained at: "
            f"choose one of {_listed(dims)}, or leave store.dims out"
        )
    widths = sorted(dims, reverse=True) if store.dims is None else [store.dims]
    precisions = PRECISIONS if store.precision == "auto" else (store.precision,)
    if kind != "postgresql":
        precisions = ("single",)
    asked = store.index if "index" in store.model_fields_set else None
    indexes: list[Index] = ["hnsw", "exact"] if asked is None else [asked]
    for index in indexes:
        for dim in widths:
            for precision in precisions:
                if dim <= _most(kind, index, precision):
                    return Layout(dim, precision, index)
    raise ConfigError(_refusal(dims, widths, precisions, kind, indexes[-1]))


def _most(kind: Kind, index: Index, precision: Precision) -> int:
    if kind == "postgresql":
        return HNSW_DIMS[precision] if index == "hnsw" else MAX_DIMS
    return MILVUS_DIMS if kind == "milvus" else 2**31


def _refusal(
    dims: Sequence[int], widths: Sequence[int], precisions: Sequence[Precision], kind: Kind, index: Index
) -> str:
    limits = [_most(kind, index, precision) for precision in precisions]
    holds = " and ".join(f"{most} in {name} precision" for most, name in zip(limits, precisions, strict=True))
    ways = []
    if fitting := [dim for dim in dims if dim <= max(limits)]:
        ways.append(f"set store.dims to one of {_listed(fitting)}")
    if index == "hnsw":
        if "half" not in precisions and kind == "postgresql" and min(widths) <= HNSW_DIMS["half"]:
            ways.append("set store.precision=half")
        if min(widths) <= _most(kind, "exact", "single"):
            ways.append("set store.index=exact")
    named = "an HNSW index" if index == "hnsw" else kind
    return (
        f"{named} holds {holds} at most, not {min(widths)} dimensions: "
        f"{', or '.join(ways) or 'train a model with narrower encoder.dims'}"
    )


def _listed(dims: Sequence[int]) -> str:
    return ", ".join(map(str, sorted(dims)))
