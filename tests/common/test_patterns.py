"""Patterns: what compiles within the bounds, and what is refused before it is compiled."""

from __future__ import annotations

import pytest
import regex

from harness.common.patterns import MAX_CHARACTERS, compile_pattern

FAR = "repetitions stand for more than 100,000 parts"
GROUPS = "more than 5,000 capturing groups"
REFUSED = (
    ("(((x{9999}){9999}){9999})", FAR),
    ("(?:(?:(?:x{99}){99}){99}){99}", FAR),
    ("(?:(?:|x){999}){999}", FAR),
    ("(?>(?R){999}){9999}", FAR),
    ("(?:(?1){999}){999}(a)", FAR),
    ("(?=(?:x{999}){999})", FAR),
    ("(?x:(?:x{999}) # a comment with a bracket )\n{999})", FAR),
    ("(?x)(?: x { 999 } ) { 999 }", FAR),
    ("(?x)(? -x:(?:x#(y){999}){999})", FAR),
    ("(?:x{999}[[:alpha:](]){999}", FAR),
    ("(?V1)(?:x{999}[[a](]){999}", FAR),
    ("(?:x{999}(?#)){999}", FAR),
    ("((?a)){9999}", GROUPS),
    ("(()){9999}", GROUPS),
    ("((?:)){9999}", GROUPS),
    ("((?>)){9999}", GROUPS),
    ("(?<n>){9999}", GROUPS),
    ("(?:()|()){9999}", GROUPS),
    ("()" * 5_001, GROUPS),
    ("((((((a)))))){999}", GROUPS),
    ("x" * (MAX_CHARACTERS + 1), "100,001 characters, more than 100,000"),
)


@pytest.mark.parametrize(("pattern", "said"), REFUSED, ids=[each[0][:40] for each in REFUSED])
def test_what_would_compile_to_too_much_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(regex.error, match=said):
        compile_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(?:ab){2000}", "ab" * 2000),
        ("x{9999}", "x" * 9999),
        (r"(\w+\s){1000}", "word " * 1000),
        ("(?x) (a #)\n b) {3}", "ab" * 3),
        (r"[({]{2}\{9\}", "({{9}"),
        ("a{,3}b{e<=1}", "aab"),
        ("(?<one>a)(?(one)b|c){2}", "abb"),
        ("|".join(f"word{n}" for n in range(2000)), "word1999"),
    ],
)
def test_what_people_write_compiles(pattern: str, text: str) -> None:
    assert compile_pattern(pattern).fullmatch(text, timeout=10)


def test_few_large_patterns_are_kept_and_many_small_ones() -> None:
    small, large = compile_pattern("a small one"), compile_pattern("(?:large){700}")
    for number in range(10):
        compile_pattern(f"(?:other{number}){{700}}")

    assert compile_pattern("a small one") is small
    assert compile_pattern("(?:large){700}") is not large
