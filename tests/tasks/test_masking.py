import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uninote.tasks.masking import mask_strings, normalise


@pytest.mark.parametrize(
    ("text", "strings", "expected"),
    [
        ("a red fox runs", ["red fox"], "a runs"),
        ("a RED  \n Fox runs", ["red fox"], "a runs"),
        ("category Cat, cats", ["cat"], "category , cats"),
        ("snake_case case", ["case"], "snake_case"),
        ("cafe\u0301 cafe", ["cafe"], "cafe\u0301"),
        ("Straße und STRASSE", ["strasse"], "und"),
        ("ß ss xss", ["ss"], "xss"),
        ("我爱北京天安门", ["北京"], "我爱 天安门"),
        ("用iPhone手机", ["iphone"], "用 手机"),
        ("ภาษาไทย", ["ภาษา"], "ไทย"),
        ("first line\nsecond line\nthird", ["second line"], "first line\n \nthird"),
        ("new york city", ["new york", "york city"], ""),
        ("1.5 kg", ["5 kg"], "1."),
        ("Le cafe\u0301 noir", ["caf\u00e9"], "Le noir"),
        ("Le caf\u00e9 noir", ["cafe\u0301"], "Le noir"),
        ("\uff33\uff21\uff2c\uff25 today", ["sale"], "today"),
        ("\ufb01ne sale", ["fine"], "sale"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af book", ["한글"], "book"),
    ],
)
def test_by_hand(text: str, strings: list[str], expected: str) -> None:
    assert mask_strings(text, strings) == expected


def test_an_occurrence_made_by_removing_another_goes_too() -> None:
    assert mask_strings("so new new york york it is", ["new york"]) == "so it is"


@pytest.mark.parametrize("strings", [[], [""], [" \n"], ["..."], ["-"], ["a"], ["的"], ["👍👍"]])
def test_strings_without_content_leave_the_text_alone(strings: list[str]) -> None:
    text = "  a - b... 的  👍👍\n"
    assert mask_strings(text, strings) == text


WORDS = st.sampled_from(["ab", "Ab", "abc", "b", "中", "中国", "国", ".", "-", " ", "  ", "\n", "\t", "_"])
TEXTS = st.lists(WORDS, max_size=14).map("".join)
JOINED = "[abc_]"  # characters above that join to words; Han characters never do


def occurs(needle: str, text: str) -> bool:
    """Check for an occurrence by other means: a regular expression over the unchanged text."""
    tokens = needle.split()
    if sum(map(str.isalnum, needle)) < 2:
        return False
    before = f"(?<!{JOINED})" if re.match(JOINED, tokens[0].lower()) else ""
    after = f"(?!{JOINED})" if re.match(JOINED, tokens[-1][-1].lower()) else ""
    core = r"\s+".join(map(re.escape, tokens))
    return re.search(before + core + after, text, re.IGNORECASE) is not None


@given(TEXTS, st.lists(TEXTS, max_size=3))
def test_nothing_is_left_and_nothing_else_is_touched(text: str, strings: list[str]) -> None:
    masked = mask_strings(text, strings)
    assert not any(occurs(string, masked) for string in strings)
    if not any(occurs(string, text) for string in strings):
        assert masked == text
    rest = iter("".join(text.split()))
    assert all(char in rest for char in "".join(masked.split()))


@given(st.text(max_size=40), st.text(max_size=6), st.text(max_size=40))
def test_any_unicode(left: str, needle: str, right: str) -> None:
    masked = mask_strings(f"{left} {needle} {right}", [needle])
    if sum(map(str.isalnum, normalise(needle))) >= 2:
        assert len("".join(masked.split())) < len("".join(f"{left}{needle}{right}".split()))
    assert mask_strings(masked, [needle]) == masked
