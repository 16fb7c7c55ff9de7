"""The pattern language: what is accepted, what is refused and where, and what RE2 gets to see."""

from __future__ import annotations

import pytest
import re2

from phrasemill.filters.linear import group_names, literal, max_width, parse, to_re2
from phrasemill.schemas.errors import PackError


def matches(pattern: str, text: str) -> bool:
    return re2.compile(f"(?i:{to_re2(parse(pattern, 'x'))})").fullmatch(text) is not None


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        pytest.param("as an ai", "As  an\n\u00a0AI", id="a space is any white space"),
        pytest.param("i'm sure", "I\u2019m sure", id="an apostrophe is any apostrophe"),
        pytest.param("i'?m", "im", id="and may be missing"),
        pytest.param("a ?b", "ab", id="a space may be missing"),
        pytest.param("a ?b", "a \t b", id="a space may be long all the same"),
        pytest.param(r"[a-c ']{3}", "a '", id="a class is as it stands"),
        pytest.param(r"(?:one|two){2,3}", "onetwoone", id="groups repeat"),
        pytest.param(r"(one|two) x", "two x", id="plain groups"),
        pytest.param(r"(?P<cut>one)(?<span>two)", "onetwo", id="named groups"),
        pytest.param(r"\bone\b[.!?]*", "one!?", id="boundaries"),
        pytest.param(r"a{x}", "a{x}", id="a brace that is no repeat"),
        pytest.param(r"\p{Lu}\x{e9}\x41", "Éea".replace("e", "é"), id="escapes"),
        pytest.param(r"[]a]+", "]a", id="a bracket first in a class"),
        pytest.param(r"[[:alpha:]]+", "ab", id="POSIX class"),
    ],
)
def test_what_a_pattern_matches(pattern: str, text: str) -> None:
    assert matches(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "what", "position"),
    [
        pytest.param("a(?=b)", "lookaround", 1, id="look ahead"),
        pytest.param("(?<!a)b", "lookaround", 0, id="look behind"),
        pytest.param(r"(a)\1", "backreference", 3, id="number"),
        pytest.param("(?P<n>a)(?P=n)", "backreference", 8, id="name"),
        pytest.param("(?>a)", "atomic", 0, id="atomic"),
        pytest.param("a++", "possessive", 2, id="possessive"),
        pytest.param("a**", "doubled", 2, id="doubled"),
        pytest.param("*a", "nothing to repeat", 0, id="leading repeat"),
        pytest.param("a|+", "nothing to repeat", 2, id="repeat after a bar"),
        pytest.param("(ab", "never closed", 0, id="open group"),
        pytest.param("ab)", "never opened", 2, id="closed group"),
        pytest.param("x[ab", "never closed", 1, id="open class"),
        pytest.param("a\\", "not understood", 1, id="lone backslash"),
        pytest.param("(?(1)a)", "conditional", 0, id="conditional"),
        pytest.param(r"a\Kb", "not every engine", 1, id="escape of one engine"),
        pytest.param("(" * 60 + "a" + ")" * 60, "nested deeper", 51, id="deep"),
    ],
)
def test_what_is_refused_and_where(pattern: str, what: str, position: int) -> None:
    with pytest.raises(PackError, match=f"pack.yaml: .*{what}.* at position {position} of") as caught:
        parse(pattern, "pack.yaml")
    assert "linear time" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        ("abc", 3),
        ("a b", 18),
        (r"\babc$", 3),
        ("a{2,5}b?", 6),
        ("ab|abcd", 4),
        ("(?:ab|c){3}", 6),
        ("[a-z]{4}", 4),
        ("a+", None),
        ("(?:a*b)?", None),
        ("a{3,}", None),
        (r"(?:\b)*a", 1),
    ],
)
def test_the_longest_match(pattern: str, width: int | None) -> None:
    assert max_width(parse(pattern, "x")) == width


def test_names_and_literals() -> None:
    assert list(group_names(parse("(?P<cut>a(?:b(?P<span>c)))", "x"))) == ["cut", "span"]
    phrase = "a.b (c) [d] {e} x+y? $5 ^ |\\"
    assert matches(literal(phrase), phrase)
    assert not matches(literal("a.b"), "axb")
