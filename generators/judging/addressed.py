"""Answers that speak to whoever grades them. What they want is not known; that they want something is enough.

A small judge obeys what it reads, a large one sometimes does, and no wording of the question mends that. So an answer
that talks of its own grade, forges a verdict or a turn, or hides text is not put before a judge at all, and nothing is
published on such a verdict. What counts is no list of sentences but what stands together in one: a grader, a grade, a
value, the answer itself. The text is read as a model would read it: styled and foreign letters, letters set apart,
digits for letters and base64 are taken for what they stand for.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import re2

from phrasemill.filters.confusables import FOREIGN, FORMS, INVISIBLE, LOOK_ALIKES
from phrasemill.generators.judging.forged import HIDDEN, ORDER, PLEA, READER, TOKEN, VERDICT
from phrasemill.generators.judging.grading_words import ANSWER, DIRECTIVE, GRADE, GRADER, REFUSAL, TOPIC, VALUE
from phrasemill.generators.tasks import Message

Sign = Literal["hidden", "token", "verdict", "order", "grading"]

_STOPS: Final = ".!?\u3002\uff01\uff1f\u0964\n"
_SENTENCE: Final = re.compile(rf"[^{_STOPS}]+(?:\.\d+[^{_STOPS}]*)*")
_LETTERS_APART: Final = re.compile(r"(?<!\w)(?:\w(?: {1,3}|[.\-_*])){5,}\w(?!\w)")
_GAP: Final = re.compile(r" {2,}|[ .\-_*]")
_LEET_WORD: Final = re.compile(r"\b(?=\w*[a-zA-Z])\w*[013457@$]\w*")
_LEET: Final = str.maketrans("01345@$7", "oieasast")
_BASE64: Final = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{20,4000}={0,2}(?![A-Za-z0-9+/])")
_REASONING: Final = re.compile(r"\A\s*<(think(?:ing)?)>(.*?)</\1>", re.DOTALL)
"""Reasoning in front of an answer: its tags belong there."""

_EMPHASIS: Final = re.compile(r"\*{1,3}|__")
_QUOTES: Final[dict[int, str]] = {0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"'}
_PLAIN: Final[dict[int, str]] = {**FORMS, **dict.fromkeys(INVISIBLE, ""), **_QUOTES}
_LIKE_LATIN: Final = str.maketrans(LOOK_ALIKES)
_FOREIGN: Final = re.compile("[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in FOREIGN) + "]")


def any_addressed(conversation: Sequence[Message], *answers: str) -> bool:
    """Whether an answer, or an earlier answer of the conversation, speaks to whoever grades."""
    asked = "\n".join(message.content for message in conversation if message.role == "user")
    earlier = [message.content for message in conversation if message.role == "assistant"]
    return any(addressed(text, asked) for text in (*earlier, *answers))


def addressed(text: str, asked: str = "") -> Sign | None:
    """How an answer to ``asked`` speaks to whoever grades it, or None.

    ``hidden``: text that nobody sees. ``token``: control tokens of a chat template, borders of data, forged turns.
    ``verdict``: one of the form that judges give. ``order``: what was said before is to be forgotten. ``grading``: a
    grade is asked for, or a sentence has a grader and a grade, or says how the answer itself is to be graded or that it
    is a refusal. Where the user spoke of grades, only what names the answer itself counts as ``grading``.
    """
    if HIDDEN.search(text):
        return "hidden"
    on_topic = bool(TOPIC.search(asked))
    for reading in _readings(text):
        for sign, pattern in _SIGNS:
            if pattern.search(reading):
                return sign
        if (not on_topic and PLEA.search(reading)) or _is_on_grading(reading, on_topic=on_topic):
            return "grading"
    return None


_SIGNS: Final[tuple[tuple[Sign, re2.Pattern], ...]] = (
    ("token", TOKEN),
    ("verdict", VERDICT),
    ("order", ORDER),
    ("grading", READER),
)


def _is_on_grading(text: str, *, on_topic: bool) -> bool:
    if not (GRADE.search(text) or GRADER.search(text) or REFUSAL.search(text)):
        return False
    for sentence in _SENTENCE.findall(text):
        grader, grade, refusal = (bool(words.search(sentence)) for words in (GRADER, GRADE, REFUSAL))
        if not (grader or grade or refusal):
            continue
        value = bool(VALUE.search(sentence))
        if ANSWER.search(sentence) and (refusal or ((grader or grade) and value) or (grader and grade)):
            return True
        if not on_topic and grader and (grade or refusal or (value and DIRECTIVE.search(sentence))):
            return True
    return False


def _readings(text: str) -> Iterator[str]:
    """The text as it is read, and with each disguise that it has taken off."""
    plain = unicodedata.normalize("NFKC", _EMPHASIS.sub("", _REASONING.sub(r"\2", text).translate(_PLAIN)))
    yield plain
    if _FOREIGN.search(plain):
        yield plain.translate(_LIKE_LATIN)
    if _LETTERS_APART.search(plain):
        yield _LETTERS_APART.sub(lambda run: f" {_GAP.sub(_joined, run[0])} ", plain)
    if _LEET_WORD.search(plain):
        yield _LEET_WORD.sub(lambda word: word[0].translate(_LEET), plain)
    for run in _BASE64.finditer(plain):
        if decoded := _decoded(run[0]):
            yield decoded


def _joined(gap: re.Match[str]) -> str:
    return " " if len(gap[0]) > 1 else ""


def _decoded(run: str) -> str:
    """What base64 stands for where that is text, else an empty text."""
    try:
        found = base64.b64decode(run + "=" * (-len(run) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return found if all(char.isprintable() or char.isspace() for char in found) else ""
