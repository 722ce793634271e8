"""Wrong requests, made from the OpenAPI document: each differs from a right one in one place."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

INNER = re.compile(
    r"object at 0x|pattern|input should|value error|function-|pydantic|\^|\bctx\b|validation error|\['|\{'|"
    r"constrained|that is not taken|traceback|<class|codec|expecting|nonetype|union|valid string|"
    r"unable to parse|extra inputs",
    re.IGNORECASE,
)


def is_plain(message: str) -> bool:
    """Return whether a message is a short sentence without the inner words of a validator."""
    return bool(message) and len(message) <= 300 and "\n" not in message and not INNER.search(message)


WRONG: tuple[Any, ...] = (
    None,
    True,
    -1,
    0.5,
    10**30,
    float("nan"),
    "",
    "a\x00b",
    "not one",
    "x" * 300_000,
    "2026-01-01T00:00:00",
    "\ud800",
    [],
    [1, 2],
    [[1], [2]],
    [None],
    ["", "\x00"],
    ["\ud800"],
    {},
    {"surprise": 1},
)
BODIES = (
    b"null",
    b"[]",
    b"3",
    b'"text"',
    b"{",
    b'{"a": }',
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'{"k": ' + b"9" * 5000 + b"}",
    b"NaN",
    b'{"' + b"k" * 5000 + b'": 1}',
)
LETTERS = ("", "x", "-1", "0", "1.5", "nan", "9" * 40, "\x00", "y" * 600, "é", "true")


@dataclass(frozen=True)
class Wrong:
    """A request with one wrong place. field: its path, as answers give it."""

    method: str
    path: str
    field: str = "body"
    query: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


class Requests:
    """Wrong requests of every operation of a document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document

    def __iter__(self) -> Iterator[Wrong]:
        for path, operations in self._document["paths"].items():
            for method, operation in operations.items():
                content = operation.get("requestBody", {}).get("content", {})
                schema = content.get("application/json", {}).get("schema")
                body = None if schema is None else packed(self._example(schema))
                yield from self._parameters(method, path, operation, body)
                if schema is not None:
                    yield from self._bodies(method, path, schema)

    def _parameters(
        self, method: str, path: str, operation: dict[str, Any], body: bytes | None
    ) -> Iterator[Wrong]:
        parameters = operation.get("parameters", ())
        needed = {one["name"]: "1" for one in parameters if one["in"] == "query" and one["required"]}
        for one in parameters:
            name, place = one["name"], one["in"]
            where = f"{place}.{name}"
            for text in LETTERS:
                if place == "path":
                    there = filled(path, **{name: quote(text, safe="")})
                    yield Wrong(method, there, where, urlencode(needed), body=body)
                elif place == "query":
                    yield Wrong(method, filled(path), where, urlencode(needed | {name: text}))
                elif text.isascii() and text.isprintable():
                    yield Wrong(method, filled(path), where, headers=((name, text),), body=body)

    def _bodies(self, method: str, path: str, schema: dict[str, Any]) -> Iterator[Wrong]:
        there = filled(path)
        yield from (Wrong(method, there, body=body) for body in BODIES)
        for steps in self._fields(schema, 0):
            where = ".".join(("body", *map(str, steps)))
            for value in WRONG:
                yield Wrong(method, there, where, body=packed(self._with(schema, steps, value)))
            around = where.rpartition(".")[0]
            yield Wrong(method, there, around, body=packed(self._with(schema, steps, ..., "surprise")))

    def _fields(self, schema: dict[str, Any], depth: int) -> Iterator[tuple[int | str, ...]]:
        schema = self._of(schema)
        for name, inner in schema.get("properties", {}).items():
            yield (name,)
            if depth < 3:
                yield from ((name, *rest) for rest in self._fields(inner, depth + 1))
        if "items" in schema:
            yield from ((0, *rest) for rest in self._fields(schema["items"], depth))

    def _with(self, schema: dict[str, Any], steps: tuple[int | str, ...], value: Any, add: str = "") -> Any:
        """Return an example whose value at `steps` is `value`; `...`: left out, with `add` instead."""
        made = here = self._example(schema)
        for step in steps[:-1]:
            schema = self._of(schema)
            schema = schema["items"] if isinstance(step, int) else schema["properties"][step]
            if isinstance(step, int):
                here[:] = here or [None]
            if not isinstance(here[step] if isinstance(step, int) else here.get(step), dict | list):
                here[step] = self._example(schema)
            here = here[step]
        if value is ...:
            here.pop(steps[-1], None)
            here[add] = 1
        else:
            here[steps[-1]] = value
        return made

    def _example(self, schema: dict[str, Any]) -> Any:
        schema = self._of(schema)
        if "enum" in schema:
            return schema["enum"][0]
        if schema.get("type") == "object" or "properties" in schema:
            content = ["title", "text", "data"]  # none is required, but something has to be there
            names = [*schema.get("required", ()), *(name for name in content if name in schema["properties"])]
            return {name: self._example(schema["properties"][name]) for name in names}
        if schema.get("type") == "array":
            return [self._example(schema["items"]) for _ in range(schema.get("minItems", 0))]
        examples = {"integer": 1, "number": 0.5, "boolean": True}
        return examples.get(schema.get("type", ""), "2026-01-01T00:00:00Z")

    def _of(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema without reference; of alternatives, the one with the most inside."""
        if "$ref" in schema:
            return self._of(self._document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
        options = schema.get("anyOf") or schema.get("oneOf")
        if not options:
            return schema
        return max(map(self._of, options), key=lambda one: 2 * ("properties" in one) + ("items" in one))


def filled(path: str, **given: str) -> str:
    """Return the path with its parameters; those not given are ones that nothing is stored under."""
    for name in (part.partition("}")[0] for part in path.split("{")[1:]):
        bare = name.partition(":")[0]
        path = path.replace(f"{{{name}}}", given.get(bare, "1"))
    return path


def packed(value: Any) -> bytes:
    return json.dumps(value).encode()
