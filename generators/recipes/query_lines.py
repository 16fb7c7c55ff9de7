"""From an answer that lists user messages to the messages, and why a line of it is none."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final, NamedTuple

from phrasemill.filters.detect import UNDECIDED
from phrasemill.generators.recipes.language import language_of
from phrasemill.generators.recipes.placeholders import has_placeholder, has_role_line

SHORT: Final = 15
MEDIUM: Final = 40
"""Most words of a short and of a medium message."""

LONGEST: Final = 250
"""Words of a message past which it is a text of its own."""

LEAST_WORDS: Final = 3
"""Words below which a line without a mark at its end is a topic and not a message."""

_WORDS: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+(?:['\u2019.-][^\W_]+)*")
_MARK: Final = re.compile(
    r"[ \t]*(?:>[ \t]*)?(?:[*_#]{0,3}(?:(?:user )?(?:message|question|prompt|query|item|q|no\.?)[ \t]*#?)?"
    r"(?:\(?\d{1,3}(?:[.):\]]|[ \t]+[-\u2013\u2014])|#\d{1,3}[.):]?)[*_]{0,3}:?"
    r"|[-+*\u2022\u2013](?=[ \t])|[a-z][.)](?=[ \t]))[ \t]*",
    re.IGNORECASE,
)
"""What numbers a line, or marks it as one of a list."""

_LABEL: Final = re.compile(
    r"\A[*_]{0,3}(?:user|human|short|medium|long|presence|absence|message|question|prompt|query)"
    r"[*_]{0,3}:[*_]{0,3}[ \t]*",
    re.IGNORECASE,
)
_WRAPPED: Final = (
    ("**", "**"),
    ("*", "*"),
    ('"', '"'),
    ("\u201c", "\u201d"),
    ("'", "'"),
    ("\u2018", "\u2019"),
    ("`", "`"),
    ("\u00ab", "\u00bb"),
)
_META: Final = re.compile(
    r"\A\W*(?:here (?:are|is|'s)\b|here's\b|below (?:are|is)\b|the following\b|sure\b[,!.]|certainly\b|of course\b[,!.]"
    r"|(?:these|the|this|each) (?:messages?|questions?|prompts?|quer(?:y|ies)|list|examples?)\b"
    r"|(?:i hope|hope) (?:this|these)\b|let me know if\b|note\b[:,]|(?:a|the|one) (?:user|person|customer)\b"
    r"|(?:ask|asks|asking|asked)(?: the (?:assistant|ai|model))? (?:about|for|how|what|whether|if)\b"
    r"|(?:topic|subject|category|theme|context|scenario|example|answer|response|title)s?\b[^.?!\n]{0,30}:)"
    r"|\b(?:user messages?|user prompts?|messages? of (?:the|this) (?:right )?kind|the trait|this trait"
    r"|this message (?:shows|is)|(?:presence|absence) of)\b"
    r"|\((?:short|medium|long|presence|absence)[^)\n]{0,40}\)\W*\Z|\b\d+(?:-| to )\d+ words\b",
    re.IGNORECASE,
)
_ASSISTANT: Final = re.compile(
    r"\bas an? (?:ai|a\.i\.|artificial|language model|assistant|chatbot)\b"
    r"|\bi(?:'m| am) an? (?:ai|language model|assistant)\b"
    r"|\b(?:i(?:'m| am)|we(?:'re| are)) (?:here|happy|glad|ready|delighted) to (?:help|assist|answer|support)\b"
    r"|\bhow (?:can|may|could) i (?:help|assist|be of)\b"
    r"|\bi(?:'d| would) be (?:happy|glad|delighted) to (?:help|assist|answer)"
    r"|\b(?:feel free|don't hesitate) to (?:ask|reach)\b|\bis there anything else\b"
    r"|\A\W*(?:great|good|excellent) question\b"
    r"|\blet me know (?:if|how) (?:you|i can)\b|\bi can(?:not|'t) (?:assist|help) (?:you )?with\b"
    r"|\A\W*(?:i understand|i see) (?:that )?(?:you|your)\b|\A\W*i(?:'m| am) sorry (?:to hear|that you)\b"
    r"|\A\W*(?:thank you|thanks) for (?:reaching|sharing|asking|your)\b",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"[^.!?\n]+")
_ENDS: Final = re.compile(r"[.?!\u2026\u3002\uff01\uff1f][\"'\u2019\u201d)\]*_`]*\Z|```\Z|https?://\S+\Z")
_HANGING: Final = re.compile(
    r"(?:[,:;\u2013\u2014(-]|\b(?:a|an|the|of|to|in|on|at|and|or|but|with|for|is|are|by|as|that|from|my|your|i|if|so))\W*\Z",
    re.IGNORECASE,
)


class Line(NamedTuple):
    """A line of an answer, without its number; ``reason`` is empty where it is a message to use."""

    text: str
    reason: str


def count_words(text: str) -> int:
    """Words; a character of a script without spaces is one."""
    return len(_WORDS.findall(text))


def bucket(text: str) -> str:
    """The length of a message: ``short`` up to 15 words, ``medium`` up to 40, else ``long``."""
    words = count_words(text)
    return "short" if words <= SHORT else "medium" if words <= MEDIUM else "long"


def parse_lines(answer: str, *, wanted: int, cut: bool, language: str) -> list[Line]:
    """The first ``wanted`` messages that an answer lists, in order, each with why it is none or an empty reason.

    ``cut``: the answer ran into the limit of tokens, so its last message is not whole. ``language``: the two-letter
    code that messages must be in, ``und`` where any may pass. An answer to be a list and without marks is one line of
    the reason ``not_a_list``.
    """
    texts = _items(answer) if wanted > 1 else [answer]
    if not texts:
        return [Line(answer.strip(), "not_a_list" if answer.strip() else "empty")]
    lines = [Line(text, _reason(text, language)) for text in map(_bare, texts)]
    if cut:
        lines[-1] = Line(lines[-1].text, "unfinished")
    return lines[:wanted]


def _items(answer: str) -> list[str]:
    """Listed items, marks taken off. An item takes in the lines right below it; a blank line ends it."""
    items: list[str] = []
    is_open = False
    for row in answer.replace("\r\n", "\n").split("\n"):
        mark = _MARK.match(row)
        if mark is not None:
            items.append(row[mark.end() :])
        elif is_open and row.strip():
            items[-1] += f"\n{row.strip()}"
        is_open = bool(items) and bool(row.strip())
    return [item for item in items if item.strip()]


def _bare(text: str) -> str:
    """The message without a label, quotes or emphasis around the whole of it."""
    text = _LABEL.sub("", text.strip()).strip()
    for left, right in _WRAPPED:
        inner = text[len(left) : -len(right)]
        if (
            text.startswith(left)
            and text.endswith(right)
            and inner.strip()
            and left not in inner
            and right not in inner
        ):
            text = inner.strip()
    return text


def _reason(text: str, language: str) -> str:
    words = count_words(text)
    if words == 0 or not any(map(str.isalpha, text)):
        return "empty"
    if _META.search(text) or text.endswith(":"):
        return "meta"
    if _ASSISTANT.search(text.replace("\u2019", "'")):
        return "assistant_voice"
    if has_placeholder(text):
        return "leaked_template"
    if has_role_line(text):
        return "fake_user_turn"
    if words > LONGEST:
        return "too_long"
    if _loops(text):
        return "repetition"
    ends = _ENDS.search(text) is not None
    if words < LEAST_WORDS and not ends:
        return "fragment"
    # A short message may lack its full stop, as people's do.
    open_quote = text.count('"') % 2 == 1 or text.count("\u201c") != text.count("\u201d")
    if _HANGING.search(text) or open_quote or (words > SHORT and not ends):
        return "unfinished"
    if language != UNDECIDED and language_of(text) not in (language, UNDECIDED):
        return "language_switch"
    return ""


def _loops(text: str) -> bool:
    """Whether a sentence comes twice, or fewer than two in three runs of three words are new."""
    sentences = Counter(tuple(_WORDS.findall(sentence)) for sentence in _SENTENCE.findall(text.casefold()))
    if any(times > 1 and len(words) >= LEAST_WORDS for words, times in sentences.items()):
        return True
    words = _WORDS.findall(text.casefold())
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(runs) > SHORT and 3 * len(set(runs)) < 2 * len(runs)
