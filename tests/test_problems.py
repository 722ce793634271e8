"""Validation messages, field by field."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Annotated, Any, Literal, get_args

import pytest
import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import core_schema

from uninote.problems import (
    Shape,
    json_problem,
    problem_of,
    problems_from,
    problems_of,
    sentence,
    yaml_problem,
)


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = Field(1, ge=1, le=10)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    text: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    number: float | None = Field(None, gt=-0.5, lt=1.5)
    flag: bool = False
    when: AwareDatetime | None = None
    day: date | None = None
    kind: Literal["a", "b", "c"] = "a"
    entries: list[Inner] = Field([], min_length=2, max_length=3)
    table: dict[str, Inner] = {}
    code: Annotated[str, Shape("^[a-z]+$", "must be letters")] = "a"
    either: Annotated[
        Annotated[int, Tag("number")] | Annotated[Inner, Tag("inner")],
        Discriminator(
            lambda given: {dict: "inner", int: "number"}.get(type(given)),
            custom_error_type="either",
            custom_error_message="must be this or that",
        ),
    ] = 1


def told(kind: Any = Outer, /, **given: Any) -> list[str]:
    with pytest.raises(ValidationError) as refused:
        kind(**given)
    return [str(one) for one in problems_of(refused.value, kind)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"text": 3}, "text: must be a text, not a number"),
        ({"text": None}, "text: must be a text, not null"),
        ({"text": ""}, "text: must not be empty"),
        ({"text": "four"}, "text: may have at most 3 characters"),
        ({"number": "x"}, "number: must be a number"),
        ({"number": -1}, "number: must be more than -0.5"),
        ({"number": 1.5}, "number: must be less than 1.5"),
        ({"number": float("nan")}, "number: must be a finite number; NaN and infinity are not taken"),
        ({"flag": "perhaps"}, "flag: must be true or false"),
        ({"when": "soon"}, "when: must be a date and time with a time zone, such as 2026-01-31T12:00:00Z"),
        (
            {"when": datetime(2026, 1, 1)},
            "when: must be a date and time with a time zone, such as 2026-01-31T12:00:00Z",
        ),
        ({"day": "soon"}, "day: must be a date, such as 2026-01-31"),
        ({"kind": "d"}, "kind: must be a, b or c"),
        ({"entries": {}}, "entries: must be a list, not an object"),
        ({"entries": [{}]}, "entries: must have at least 2 entries"),
        ({"entries": [{}] * 4}, "entries: may have at most 3 entries"),
        ({"entries": [{}, 3]}, "entries.1: must be an object, not a number"),
        ({"entries": [{}, {"size": 11}]}, "entries.1.size: must be at most 10"),
        ({"table": {"x": {"size": 0.5}}}, "table.x.size: must be a whole number"),
        ({"code": "A"}, "code: must be letters"),
        ({"either": "x"}, "either: must be this or that"),
        ({"either": {"size": 0}}, "either.size: must be at least 1"),
        ({"nmber": 1}, "nmber: is not known here; did you mean number?"),
        ({"table": {"x": {"nothing": 1}}}, "table.x.nothing: is not known here; known are size"),
    ],
)
def test_a_wrong_value_is_told_what_to_be(given: dict[str, Any], message: str) -> None:
    assert told(**given) == [message]


def test_a_missing_field_says_what_it_takes() -> None:
    class Needed(BaseModel):
        kind: Literal["a", "b"]
        when: datetime
        inner: Inner | None
        names: list[str]
        either: Annotated[str, Tag("text")] | Annotated[Inner, Tag("inner")]

    assert told(Needed) == [
        "kind: is missing; it must be a or b",
        "when: is missing; it must be a date and time with a time zone, such as 2026-01-31T12:00:00Z",
        "inner: is missing; it must be an object",
        "names: is missing; it must be a list",
        "either: is missing; it must be a text or an object",
    ]


def test_no_type_of_error_hands_on_the_words_of_the_library() -> None:
    for name in get_args(core_schema.ErrorType):
        context = {"error": ValueError("ours"), "expected": "'a' or 'b'", "min_length": 2, "max_length": 2}
        context |= dict.fromkeys(("gt", "ge", "lt", "le", "multiple_of"), 1)
        error = {
            "type": name,
            "loc": ("body", "x"),
            "msg": "of the library",
            "input": 3,
            "ctx": context,
        }
        (problem,) = problems_from([error], skip=1)
        assert problem.where == "body.x"
        assert problem.message
        assert "library" not in problem.message


def test_neither_long_names_nor_values_are_quoted() -> None:
    (one,) = told(**{"k\n" * 500: "secret"})
    assert len(one) < 200
    assert "\n" not in one
    assert "secret" not in one


def test_the_first_problem_is_a_sentence() -> None:
    with pytest.raises(ValidationError) as refused:
        Outer(text="", code="")
    assert sentence(refused.value, Outer) == "text: must not be empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b'{"a": }', "it is no JSON at character 7"),
        (b'"\xff"', "it is no text in UTF-8 at byte 2"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"9" * 5000, "a number has too many digits"),
    ],
)
def test_a_text_that_is_no_json_says_why(text: bytes, message: str) -> None:
    with pytest.raises((ValueError, RecursionError)) as refused:
        json.loads(text)
    assert json_problem(refused.value) == message


def test_the_problem_of_any_error_is_one_line() -> None:
    with pytest.raises(ValidationError) as refused:
        Inner(size=0)
    assert problem_of(refused.value) == "size: must be at least 1"
    assert problem_of(ValueError("two\n  lines")) == "two lines"
    assert problem_of(RuntimeError()) == "RuntimeError"


@pytest.mark.parametrize(
    ("use", "reason"),
    [
        (lambda: json.loads(b"not JSON"), "it is no JSON at character 1"),
        (lambda: json.loads(b'"\xff"'), "it is no text in UTF-8 at byte 2"),
        (lambda: json.loads("{}")["task"], "it has no 'task'"),
        (lambda: json.loads("[]")[3], "a part of it has another form"),
        (lambda: "task" in json.loads("3"), "a part of it has another form"),
    ],
)
def test_the_reason_for_a_damaged_file_is_not_in_words_of_python(use: Any, reason: str) -> None:
    with pytest.raises((ValueError, LookupError, TypeError)) as refused:
        use()
    assert problem_of(refused.value) == reason


def test_a_shape_keeps_its_pattern_for_clients() -> None:
    assert Outer.model_json_schema()["properties"]["code"]["pattern"] == "^[a-z]+$"


def test_a_yaml_problem_is_one_line_with_its_place() -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        yaml.safe_load("a: 1\nb: [2\n")
    assert yaml_problem(refused.value) == "line 3, column 1: expected ',' or ']', but got '<stream end>'"
    with pytest.raises(yaml.YAMLError) as refused:
        yaml.safe_load("a: \x01")
    assert "\n" not in yaml_problem(refused.value)
