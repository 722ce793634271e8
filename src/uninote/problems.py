"""Validation messages: each error of pydantic as a field's path and a sentence that says what to give.

Neither quotes the given value: it may be long, or a secret.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, Tag, ValidationError
from pydantic_core import CoreSchema, core_schema

from uninote.errors import reason_of

OBJECT, LIST, TEXT = "an object", "a list", "a text"
MOMENT = "a date and time with a time zone, such as 2026-01-31T12:00:00Z"
DATE = "a date, such as 2026-01-31"
_STEP = 60  # characters of a name that the caller chose

# By the first word of pydantic's type of error.
_KINDS = {
    "string": TEXT,
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "bytes": "bytes",
    **dict.fromkeys(("list", "tuple", "set", "frozen", "iterable"), LIST),
    **dict.fromkeys(("dict", "model", "mapping"), OBJECT),
    **dict.fromkeys(("datetime", "timezone"), MOMENT),
    "date": DATE,
    "none": "null",
}
_WORDS = {
    "json_invalid": "is not valid JSON",
    "finite_number": "must be a finite number; NaN and infinity are not taken",
    "int_parsing_size": "has too many digits",
    "string_unicode": "must be a text in UTF-8, without lone surrogates",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "multiple_of": "must be a multiple of {multiple_of}",
    "string_too_short": "must have at least {min_length} characters",
    "too_short": "must have at least {min_length} entries",
    "string_too_long": "may have at most {max_length} characters",
    "too_long": "may have at most {max_length} entries",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "has a form that is not taken",
}
_OF_PYTHON = {
    str: TEXT,
    int: _KINDS["int"],
    float: _KINDS["float"],
    bool: _KINDS["bool"],
    bytes: _KINDS["bytes"],
    datetime: MOMENT,
    date: DATE,
}
_GIVEN = {**_OF_PYTHON, int: "a number", float: "a number", type(None): "null", list: LIST, dict: OBJECT}
_INNER = frozenset(get_args(core_schema.ErrorType))


class Problem(NamedTuple):
    """One wrong field. where: its path with dots, empty for the whole."""

    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}" if self.where else self.message


@dataclass(frozen=True)
class Shape:
    """Annotation of a text that must match `pattern`, which the JSON schema keeps.

    words: the message for another text, which follows the field's name.
    """

    pattern: str
    words: str

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: Any) -> dict[str, Any]:
        return {**handler(schema), "pattern": self.pattern}

    def _check(self, text: str) -> str:
        if not re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), text):
            raise ValueError(self.words)
        return text


def problems_of(error: ValidationError, kind: Any = None) -> list[Problem]:
    """Return the problems of an error. kind: the validated type, which tells fields from inner names."""
    return problems_from(error.errors(include_url=False), kind)


def problems_from(errors: Sequence[Mapping[str, Any]], kind: Any = None, skip: int = 0) -> list[Problem]:
    """Return the problems of pydantic's errors. skip: steps of each path before `kind` begins."""
    found = []
    for error in errors:
        outside, inside = error["loc"][:skip], error["loc"][skip:]
        steps, there = _walk(kind, inside)
        _, above = _walk(kind, inside[:-1])
        where = ".".join(_short(step) for step in (*outside, *steps))
        found.append(Problem(where, _message(error, there, above)))
    return list(dict.fromkeys(found))


def sentence(error: ValidationError, kind: Any = None) -> str:
    """Return the first problem of an error, with its field."""
    return str(problems_of(error, kind)[0])


def kind_of(value: object) -> str:
    """Return what a value is, in words; empty for what JSON and YAML have not."""
    return _GIVEN.get(type(value), "")


def json_problem(error: BaseException) -> str:
    """Return why a text cannot be read as JSON."""
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON at character {error.pos + 1}"
    if isinstance(error, UnicodeDecodeError):
        return f"it is no text in UTF-8 at byte {error.start + 1}"
    return "it is nested too deeply" if isinstance(error, RecursionError) else "a number has too many digits"


def problem_of(error: Exception) -> str:
    """Return why a content cannot be used, on one line, in words for people."""
    if isinstance(error, ValidationError):
        return sentence(error)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError | RecursionError):
        return json_problem(error)
    if isinstance(error, KeyError) and error.args:
        return f"it has no {error}"
    if isinstance(error, IndexError | TypeError | AttributeError):  # of Python, about the types of this code
        return "a part of it has another form"
    return reason_of(error)


def yaml_problem(error: yaml.YAMLError) -> str:
    """Return what is wrong with a YAML text, and where, on one line."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}"
    return reason_of(error)


def _message(error: Mapping[str, Any], kind: Any, above: Any) -> str:
    name, context = error["type"], error.get("ctx", {})
    if name in ("value_error", "assertion_error"):
        text = str(context["error"])
    elif name not in _INNER:  # a message of ours in a type of ours
        text = error["msg"]
    elif name == "extra_forbidden":
        text = _unknown(str(error["loc"][-1]), above)
    elif name == "missing":
        expected = _expected(kind)
        text = f"is missing; it must be {expected}" if expected else "is missing"
    elif context.get("min_length") == 1:
        text = "must not be empty"
    elif name in _WORDS:
        text = _WORDS[name].format_map({key: _plain(value) for key, value in context.items()})
    else:
        text = _wrong_kind(name, _KINDS.get(name.partition("_")[0]) or _expected(kind), error["input"])
    return text


def _wrong_kind(name: str, expected: str | None, given: object) -> str:
    if expected is None:
        return "has a value that is not taken"
    found = kind_of(given) if name.endswith("_type") else ""
    told = found and found != expected and not (expected.endswith("number") and found == "a number")
    return f"must be {expected}" + (f", not {found}" if told else "")


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).replace("'", "")


def _unknown(name: str, kind: Any) -> str:
    """Return the message for an unknown field of a model, with the one that may be meant."""
    names = sorted(_names(kind))
    if close := difflib.get_close_matches(name, names, 1):
        return f"is not known here; did you mean {close[0]}?"
    if not names or len(names) > 12:
        return "is not known here; leave it out"
    return f"is not known here; known are {', '.join(names)}"


def _names(kind: Any) -> Iterable[str]:
    """Return the fields of a model; with those of the subclass that one of them chooses, if it says so."""
    more = getattr(kind, "known_fields", None)
    return more() if more else kind.model_fields if _is_model(kind) else ()


def _walk(kind: Any, path: Sequence[int | str]) -> tuple[list[int | str], Any]:
    """Return the steps of a path that are fields, keys and positions, and the type at its end if known."""
    steps: list[int | str] = []
    for step in path:
        kind = _bare(kind)
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, UnionType):  # the step names the branch
            kind = next((one for one in arguments if step in _tags(one)), None)
            continue
        steps.append(step)
        if _is_model(kind):
            kind = next((f.annotation for n, f in kind.model_fields.items() if step in (n, f.alias)), None)
        elif origin in (dict, list, tuple, set, frozenset, Sequence, Mapping):
            kind = arguments[1 if origin in (dict, Mapping) else 0]
        else:
            kind = None
    return [step for step in steps if step != "[key]"], _bare(kind)


def _bare(kind: Any) -> Any:
    """Return a type without its annotations, and without `None` next to a single other type."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, UnionType):
        others = [one for one in get_args(kind) if one is not type(None)]
        return _bare(others[0]) if len(others) == 1 else kind
    return kind


def _tags(kind: Any) -> list[str]:
    return [one.tag for one in get_args(kind)[1:] if isinstance(one, Tag)]


def _expected(kind: Any) -> str | None:
    """Return what a type takes, in words; None for a type without a word."""
    origin = get_origin(kind)
    if origin is Literal:
        *others, last = map(str, get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    if _is_model(kind) or origin in (dict, Mapping):
        return OBJECT
    if origin in (list, tuple, set, frozenset, Sequence):
        return LIST
    if origin in (Union, UnionType):
        words = list(dict.fromkeys(map(_expected, map(_bare, get_args(kind)))))
        return None if None in words else " or ".join(map(str, words))
    return _OF_PYTHON.get(kind)


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _short(step: int | str) -> str:
    """Return a step of a path, cut if a caller chose a long name, on one line."""
    text = "".join(char if char.isprintable() else "?" for char in str(step))
    return text if len(text) <= _STEP else f"{text[:_STEP]}…"
