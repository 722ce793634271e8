"""Declarative base of the tables: schema, naming rules, and shared column types."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import BigInteger, DateTime, Identity, MetaData, String, Text, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

SCHEMA = "service"

Key = Annotated[str, mapped_column(String(512, collation="C"))]
"""An id in code point order, whatever the server's locale, so that keyset paging is the same everywhere."""
Name = Annotated[str, mapped_column(String(256))]
Digest = Annotated[str, mapped_column(String(64))]
Words = Annotated[str, mapped_column(Text)]
Json = Annotated[dict[str, Any], mapped_column(JSONB)]
Float16 = Annotated[list[float], mapped_column(HALFVEC)]
"""A unit vector in 16-bit floats; its dimension is that of its model."""
Serial = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
Now = Annotated[datetime, mapped_column(DateTime(timezone=True), server_default=func.now())]
Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]


class Base(DeclarativeBase):
    metadata = MetaData(
        schema=SCHEMA,
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
