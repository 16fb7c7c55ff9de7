"""Answers that pretend to be human: a body, a family, a past. A small model in character tells of its cigarettes.

Only what the assistant itself says counts. A story, a letter or a role that the user asked for may have a life, and so
may everything that is quoted, spoken by somebody in a dialogue, or code.
"""

from __future__ import annotations

from typing import Final

import re2

from phrasemill.filters.deliverables import frame_of
from phrasemill.filters.masks import mask_points
from phrasemill.filters.request import Request
from phrasemill.filters.sentences import split
from phrasemill.filters.speech import spoken_lines
from phrasemill.generators.pretence_excuses import DENIED, SAMPLE, TAKEN_BACK
from phrasemill.generators.pretence_phrases import CLAIM

_ASKS_VOICE: Final = re2.compile(
    r"(?i)\b(?:first[- ]person|point of view|perspective of|affirmations?|mantras?|jokes?|anecdotes?|memoirs?|stand-?up"
    r"|lyrics|testimonials?|cover letter|(?:my|a|this|the) (?:r\x{e9}sum\x{e9}|resume|cv|bio)|diary (?:entry|of)"
    r"|journal entry|rap song|rap|parody|introduc\w+|attributes:|skills:|in (?:a|the) sentence|monologue"
    r"|role-?play\w*|(?:in|out of) character|in the style of|pretend"
    r"|imagine you|persona"
    r"|act(?:ing)? (?:as|like)|as if you|if you (?:were|had|could)|you are an? |example sentences?|sentences? (?:with"
    r"|using|that|in|for)|grammar|vocabulary|lesson plan|(?:how to|how do you|do you) (?:say|speak)|user stor(?:y"
    r"|ies)|jira)\b"
    r"|\b(?:good|best|nice|funny) (?:repl(?:y|ies)|answers?|responses?)\b|\bwhat (?:should|can|could|do) I (?:say"
    r"|reply|answer|write)\b"
    r"|\bhow (?:do|should|can|could) I (?:describe|say|tell|word|answer|phrase)\b|\bcontinue:"
    r"|(?:^|\n|[.!?:] |\bplease |\byou )(?:expand|elaborate|summari[sz]e|paraphrase|translate|re-?write|re-?phrase"
    r"|re-?word"
    r"|proof-?read|correct|edit|improve|continue|complete|finish|fill in|fix|shorten|simplify|reply to|respond to) "
)
"""Prompts after which a first person may be anybody."""

_PERSON: Final = re2.compile(r"\b(?:I|[Mm]y|[Mm]ine|[Ww]e|[Uu]s|[Oo]ur|me)\b|\*|\b[Aa]s an? ")
_TITLE: Final = re2.compile(r"\AMy \p{Lu}")
_FOLK: Final = re2.compile(
    r"(?i)\Amy (?:\w+ )?(?:friends?|sons?|child(?:ren)?|daughters?|brothers?|sisters?|buddy|lady)\z"
)
_GLOSS: Final = re2.compile(r"[\"*\x{201d}\x{bb}_.,] ?\([^()]{0,40}\z")
"""A translation in brackets behind what it translates."""

_ITEM: Final = re2.compile(r"\A\s*(?:[-*+\x{2022}]|\d{1,3}[.)])\s")
_CLOSES: Final = "\"')*_ \u201d\u2019"


def pretends_human(text: str, prompt: str = "") -> str | None:
    """The first phrase with which the answer claims a human life: who, family, past, work, food, body, things, places.

    None where nothing does, and where a wish, a supposition or a denial is all that is said. Linear in the text.
    "In my experience" alone is no claim: it may be that of many conversations.
    """
    if not _PERSON.search(text):
        return None
    straight = text.replace("\u2019", "'")
    found = CLAIM.search(straight)
    if found is None or _may_be_anybody(prompt):
        return None
    excused = _excused(text, prompt)
    spans = split(text)
    for match in CLAIM.finditer(straight):
        start, stop = match.span()
        if any(first < stop and start < last for first, last in excused) or _is_address(straight, start, stop):
            continue
        if _TITLE.search(straight[start:stop]) or straight[start:stop].lower() in prompt.lower():
            continue
        first, last = next(((one, other) for one, other in spans if one <= start < other), (start, stop))
        if not _is_taken_back(straight[first:last], start - first) and not _is_sample(straight, start):
            return " ".join(text[start:stop].split())
    return None


def _is_taken_back(sentence: str, claim: int) -> bool:
    """Whether it is a question, a wish or a supposition, or denied in the clause of the claim."""
    if sentence.rstrip(_CLOSES).endswith("?") or TAKEN_BACK.search(sentence):
        return True
    clause = max(sentence.rfind(mark, 0, claim) for mark in (" but ", "; ", " though "))
    return (
        DENIED.search(sentence[max(clause, 0) :]) is not None
        if clause < 0
        else DENIED.search(sentence, clause) is not None
    )


def _is_sample(text: str, claim: int) -> bool:
    """Whether words are announced: before the claim in its line, or before the list that the line is an item of."""
    begin = text.rfind("\n", 0, claim) + 1
    if SAMPLE.search(text[begin:claim]) or _GLOSS.search(text[begin:claim]):
        return True
    lines = text[:begin].rstrip("\n").split("\n") if _ITEM.search(text[begin:claim]) else []
    head = next((line for line in reversed(lines) if line.strip() and not _ITEM.search(line)), "")
    return head.rstrip(" *_").endswith(":") and SAMPLE.search(head) is not None


def _is_address(text: str, start: int, stop: int) -> bool:
    """Whether "my friend" and its like are said to the user: set off by commas, or at an end of the sentence."""
    if not _FOLK.search(text[start:stop]):
        return False
    before, after = text[:start].rstrip(_CLOSES)[-1:], text[stop : stop + 1]
    return after in ("", ",", "!", ".", "?", ";", ":", "\u2014") and before in (
        "",
        ",",
        ".",
        "!",
        "?",
        "\n",
        ":",
        "\u2014",
    )


def _may_be_anybody(prompt: str) -> bool:
    request = Request(prompt)
    return request.persona or request.kind == "transform" or _ASKS_VOICE.search(request.bare) is not None


def _excused(text: str, prompt: str) -> list[tuple[int, int]]:
    """What is not the assistant's own word: quotations, code, speech, and a text that was asked for."""
    request = Request(prompt)
    stretches = [(mask.start, mask.stop) for mask in mask_points(text)]
    stretches += spoken_lines(text, asked=request.wants_turns)
    frame = frame_of(text)
    if request.kind is not None or frame.letter:
        stretches.append((frame.start, frame.stop))
    return stretches
