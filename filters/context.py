"""What the conversation itself excuses: the user asked for it, so it is an answer and not a tic.

``Request`` says what the user turn asks for, ``Frame`` where in the answer the requested text stands, and the spoken
lines who says it. All are worked out when first asked for, and kept for the turn's other hits.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import re2

from phrasemill.filters.deliverables import (
    Frame,
    frame_of,
    hopes_to_help,
    is_addressed,
    leads_in,
    offers_more,
    speaks_of_work,
)
from phrasemill.filters.request import Request
from phrasemill.filters.speech import spoken_lines


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_SELF: Final = frozenset({"ai_self_reference", "identity_leak"})
_STYLE: Final = frozenset({"contrast", "slop", "repetition"})
"""How a text is written is the model's own manner, whoever asked for the text."""

_YES: Final = _compiled(
    r"\A\W*(?:(?:yes|no|yep|well|oh|indeed),? )?(?:absolutely|certainly|definitely|of course|sure|yes|no|indeed"
    r"|no problem|by all means|for sure)(?: not)?(?:,? (?:it|they|you|he|she|there|that|this|i|we) (?:is|are|does"
    r"|do|can|has|have|will|should))?\W*\z"
)
_NOT_AT_ALL: Final = _compiled(r"\A\W*(?:absolutely|certainly|definitely|of course|surely|heavens|god),? no[t ]?\b")
_WELCOME: Final = _compiled(
    r"\A\W*(?:hello|hi|hey|howdy|greetings|welcome|good (?:morning|afternoon|evening|day|to see you))(?:,? (?:there"
    r"|again|back|\w{2,12}))?\W*\z"
)
_ADDRESS: Final = _compiled(
    r"\A\W*(?:hello|hi|hey|greetings|welcome|good (?:morning|afternoon|evening|day|news)|thank|thanks|great news"
    r"|i(?:'m| am) (?:so |very )?(?:sorry|glad|happy|pleased|delighted)|we)\b"
)
_CONTENT_FREE: Final = _compiled(
    r"\A\W{0,6}(?:here(?:['\x{2019}]s| is| are)|below (?:is|are)|i(?:['\x{2019}]d| would) be (?:happy|glad)"
    r"|i can help|i['\x{2019}]ll|let me|let['\x{2019}]s|the following|i have |i['\x{2019}]ve )"
)
_ANNOUNCES: Final = _compiled(
    r"\bhere(?:['\x{2019}]s| is| are)\b|\bbelow (?:is|are)\b|\bthe following\b|\blet['\x{2019}]s (?:imagine|dive"
    r"|pretend|say)|\b(?:embody|act as|role-?play|the role)\b"
)
_EAGER: Final = _compiled(
    r"\b(?:help|assist) (?:you\b|with\b)|\b(?:happy|glad|delighted|pleased) to (?:provide|write|create|offer|craft"
    r"|compose|draft|do)\b"
)
_GREETS: Final = _compiled(
    r"\A\W*(?:hello|hi|hey|greetings|welcome|good (?:morning|afternoon|evening|day|news)|thanks)\b"
)
_MACHINE_WORD: Final = _compiled(
    r"\b(?:ai|a\.i\.|artificial intelligence|language model|llm|chatbot|bot|assistant|training data|knowledge"
    r"|cut-?off|programm\w+|algorithms?|gpt\S*|chatgpt|openai|anthropic|real-time|text-based|machine)\b"
)
_TASK: Final = (
    r"\b(?:writ\w+|creat(?:e|ing)|generat\w+|fulfil\w*|comply|compos\w+|produc\w+|draft\w*|assist\w*|requests?"
    r"|content|condon\w+|promot\w+"
    r"|encourag\w+|support|endors\w+|engag\w+|participat\w+|role-?play\w*|pretend|impersonat\w+|provide|advice"
    r"|glorif\w+|polic(?:y|ies)"
    r"|guidelines|appropriate|ethical|unethical|harmful|illegal|offensive|help (?:you )?(?:with (?:that|this"
    r"|writing|creating|your)|write|create))\b"
)
_DECLINES_TASK: Final = _compiled(_TASK)
_DECLINES_ANY: Final = _compiled(_TASK + r"|\b(?:translat\w+|access\w*|browse|images?|programm\w+)\b")
_CANNOT: Final = _compiled(
    r"\b(?:cannot|can['\x{2019}]t|can not|unable|not able|won['\x{2019}]t|sorry|not programmed|do not"
    r"|don['\x{2019}]t)\b"
)
_BREAKS_PART: Final = _compiled(
    r"\bas an? (?:[\w-]+,? ){0,4}(?:ai|language model|assistant)\b|\bi(?:['\x{2019}]m| am) (?:just "
    r"|only )?an? (?:ai|language model)\b"
)
_REFUSES: Final = _compiled(
    r"\A\W*(?:i(?:['\x{2019}]m| am) sorry|i apologi[sz]e|sorry|i cannot|i can['\x{2019}]t|i(?:['\x{2019}]m"
    r"| am) (?:unable|not able)|as an ai)"
)
_OWN_LEAD: Final = _compiled(
    r"\A\W*\z|\A[^\n]{0,120}\b(?:i understand|i appreciate|sorry|apologi[sz]e|apologies|thank you for|unfortunately"
    r"|as an? (?:\w+ ){0,4}(?:ai|assistant)|however|(?:happy|glad|here) to|but)\b[^\n]{0,160}\z"
)
_ROLE_MARK: Final = re2.compile(r"(?:\w:|\A\W*#+ ?\w+:?) ?\z")
_ITEM: Final = re2.compile(r"\A[\s>]*(?:[-*+\x{2022}]|\d{1,3}[.)]|[a-z]\)|\||\")")

REST_CHARS: Final = 60
"""How far behind a frame the rest of its sentence is read."""

LABEL_CHARS: Final = 80
"""How far into a line the colon behind a speaker's name may stand."""

LEAD_CHARS: Final = 300
"""How far an assistant's own first words may reach."""

SAMPLE_CHARS: Final = 90
"""Longest line of an answer that is nothing but sample phrases."""

MAX_GROWTH: Final = 2
"""How much longer than the request a translation or a rewriting is; beyond it, the assistant explains."""

ECHO_CHARS: Final = 12
"""Shortest hit that is taken for the user's own words when it stands in the prompt."""


class Context:
    """The excuses of one turn, behind the user turn ``prompt``. Offsets are code points."""

    def __init__(self, prompt: str, text: str) -> None:
        self.prompt = prompt
        self.text = text
        self.request = Request(prompt)

    def exemption(self, category: str, rule_id: str, start: int, stop: int) -> str | None:  # noqa: ARG002
        """Why the conversation excuses a hit at ``start:stop``, or None."""
        if category in _STYLE:
            return None
        if category == "leaked_markup":
            return self._excuse_markup(start, stop)
        if category in _SELF and self.request.about_assistant:
            return "asked"
        if category == "opener" and (excuse := self._excuse_answer(start, stop)):
            return excuse
        if category == "closer" and self.request.courtesy:
            return "answer"
        if category == "refusal" and self.request.about_assistant and not _DECLINES_TASK.search(self.text[start:stop]):
            return "asked"
        if self._is_spoken(start, stop):
            return "roleplay"
        if self._is_deliverable(category, start, stop):
            return "deliverable"
        return "roleplay" if self.request.persona and self._is_role(category, start, stop) else None

    @cached_property
    def frame(self) -> Frame:
        """Where the requested text stands in the answer."""
        return frame_of(self.text)

    @cached_property
    def _spoken(self) -> list[tuple[int, int]]:
        return spoken_lines(self.text, asked=self.request.wants_turns)

    def _is_spoken(self, start: int, stop: int) -> bool:
        paragraph = self.text[self.text.rfind("\n\n", 0, start) + 1 : start]
        labelled = any(":" in line[:LABEL_CHARS] for line in paragraph.split("\n"))
        if not labelled and not (self.request.wants_turns and ". " in paragraph):
            return False
        return any(first <= start and stop <= last for first, last in self._spoken)

    @cached_property
    def _refuses(self) -> bool:
        """The answer begins with a refusal to write: what follows is the assistant's."""
        head = self.text[:LEAD_CHARS].split("\n", 1)[0]
        return _REFUSES.search(head) is not None and _DECLINES_TASK.search(head) is not None

    @cached_property
    def _plays(self) -> bool:
        """A character speaks, and does not fall out of the part."""
        request = self.request
        return request.persona and (request.machine_role or not _BREAKS_PART.search(self.text[:LEAD_CHARS]))

    def _excuse_markup(self, start: int, stop: int) -> str | None:
        if self.request.about_tokens:
            return "asked"
        if self.text[start:stop].lstrip().startswith("{"):
            return "deliverable" if self.request.wants_slots else None
        marks_turn = _ROLE_MARK.search(self.text[start:stop]) is not None and not self.text[start:].startswith("#")
        return "deliverable" if marks_turn and self.request.wants_turns else None

    def _excuse_answer(self, start: int, stop: int) -> str | None:
        """An assent or a greeting that answers, and a reply that is nothing else."""
        words = self.text[start:stop]
        if self.request.courtesy or (self.request.greets and _WELCOME.search(words)):
            return "answer"
        if not self.text[stop:].strip() and self.request.told:
            return "answer"
        if _NOT_AT_ALL.search(self.text[start : stop + 5]):
            return "answer"
        says_yes = _YES.search(words) is not None and not _CONTENT_FREE.search(self.text[stop : stop + REST_CHARS])
        return "answer" if says_yes and self.request.yes_no else None

    def _is_deliverable(self, category: str, start: int, stop: int) -> bool:
        kind = self.request.kind
        if kind is None and is_addressed(self.text) and self.frame.letter:
            kind = "voiced"
        if kind is None or (kind in ("fiction", "voiced", "exposition") and self._refuses):
            return False
        if kind == "transform" and self._echoes(start, stop):
            return True
        if category == "opener" or (category == "sycophancy" and not self.text[:start].strip()):
            return self._opens_deliverable(kind, stop)
        if start < self.frame.start or stop > self.frame.stop or not self._holds(kind, start):
            return False
        if category == "closer":
            return self._closes_deliverable(kind, start, stop)
        if category in _SELF:
            return self._is_own_subject(kind, start, stop)
        if kind == "exposition" or (category == "hedge" and kind in ("fiction", "voiced") and start < LEAD_CHARS):
            return category == "hedge" and not self._leads_to(start)
        if kind == "transform" and len(self.text) > MAX_GROWTH * len(self.prompt):
            return False
        if category != "refusal" or kind == "phrases" or (kind == "transform" and self.request.says_no):
            return True
        return not (self._opens_alone(start) and self._declines_task(start, stop))

    def _holds(self, kind: str, start: int) -> bool:
        """Sample phrases stand in items or short lines; any other text is the frame as a whole."""
        if kind != "phrases":
            return True
        line = self.text[self.text.rfind("\n", 0, start) + 1 : start + 1]
        return _ITEM.search(line) is not None or max(map(len, self.text.splitlines())) <= SAMPLE_CHARS

    def _echoes(self, start: int, stop: int) -> bool:
        words = self.text[start:stop].strip(" .!,").lower()
        return len(words) >= ECHO_CHARS and words in self.prompt.lower()

    def _opens_deliverable(self, kind: str, stop: int) -> bool:
        """The first words belong to the text: nothing announces it, and they address its reader."""
        rest = self.text[stop:]
        line = rest.split("\n", 1)[0]
        assents = _YES.search(self.text[:stop].split("!", 1)[0].split(".", 1)[0]) is not None
        if kind == "transform" and not rest.strip():
            return self.request.says_yes or not assents
        if kind == "transform" and assents and self.request.says_yes and ":" not in line:
            return True
        if self.frame.start >= stop or (self.frame.led_in and self.frame.start) or _CONTENT_FREE.search(line):
            return False
        if kind == "transform":
            quotes = line.lstrip().startswith(('"', "\u201c"))
            return (
                bool(line.strip())
                and not quotes
                and (self.request.says_yes if assents else bool(_ADDRESS.search(self.text)))
            )
        if kind == "phrases":
            return "\n" not in rest.strip() and len(self.text) <= SAMPLE_CHARS
        if not line.strip() and not _ADDRESS.search(self.text):
            return False
        eager = _EAGER.search(self.text[: stop + REST_CHARS]) is not None
        if kind == "voiced":
            return _REPLIES.search(self.request.bare) is not None or not (
                eager or (assents and not self.text[:stop].rstrip().endswith(","))
            )
        return kind == "fiction" and _GREETS.search(self.text) is not None and not eager

    def _closes_deliverable(self, kind: str, start: int, stop: int) -> bool:
        """The last words belong to the text: a signature follows, or they speak to its reader and not of it."""
        words = self.text[start:stop]
        if self.frame.signed or self.text[stop : self.frame.stop].count("\n\n"):
            return True
        paragraph_start = self.text.rfind("\n\n", 0, start) + 1
        stands_apart = paragraph_start > 1
        if speaks_of_work(words) and not (kind == "voiced" and not stands_apart):
            return False
        if kind == "voiced":
            if not stands_apart or (self.request.bare and not offers_more(words) and not self.frame.led_in):
                return True
            return bool(_REPLIES.search(self.request.bare)) and not self.frame.led_in
        if kind == "fiction":
            return "\n" in self.text[paragraph_start + 1 :].strip() or not (stands_apart or offers_more(words))
        return not stands_apart

    def _is_own_subject(self, kind: str, start: int, stop: int) -> bool:
        """The speaker in the text is a machine that was asked for, or says nothing that only a machine says."""
        if kind == "transform" and _MACHINE_SOURCE.search(self.prompt):
            return True
        if self._opens_alone(start) and (kind == "exposition" or self._drops_task(start, stop)):
            return False
        if self.request.machine:
            return kind in ("fiction", "voiced", "phrases")
        if kind in ("fiction", "voiced") and not _MACHINE_WORD.search(self.text[start:stop]):
            return True
        return kind == "phrases"

    def _is_role(self, category: str, start: int, stop: int) -> bool:
        """A character speaks, as the user wanted; the assistant who declines the part does not."""
        if category not in _SELF and not self._plays:
            return False
        if category in _SELF:
            if self.request.machine_role:
                return "language model" not in self.text[start:stop] or not self._drops_task(start, stop)
            return not _MACHINE_WORD.search(self.text[max(0, start - REST_CHARS) : stop])
        if category == "refusal":
            return not (self._opens_alone(start) and self._declines_task(start, stop))
        if category == "opener":
            return _ANNOUNCES.search(self.text[start : stop + REST_CHARS]) is None
        words = self.text[start:stop]
        return category != "closer" or not (speaks_of_work(words) or hopes_to_help(words))

    def _opens_alone(self, start: int) -> bool:
        """Nothing of the requested text stands before the hit."""
        return not self.frame.led_in and not self.frame.letter and _OWN_LEAD.search(self.text[:start]) is not None

    def _leads_to(self, start: int) -> bool:
        """The assistant itself speaks before the hit, in its first lines."""
        return bool(self.text[:start].strip()) and self._opens_alone(start)

    def _declines_task(self, start: int, stop: int) -> bool:
        return _DECLINES_ANY.search(self.text[max(0, start - REST_CHARS) : stop]) is not None

    def _drops_task(self, start: int, stop: int) -> bool:
        """A frame of self-reference goes on with what the assistant cannot do, or with what it does instead."""
        sentence = self.text[start : stop + REST_CHARS].split("\n", 1)[0]
        return leads_in(sentence) or (
            _CANNOT.search(sentence) is not None and _DECLINES_ANY.search(sentence) is not None
        )


_REPLIES: Final = _compiled(
    r"\b(?:repl(?:y|ies)|respon\w+|answers?|messages?|chat|support|customer|greetings?|welcome|agent|e-?mails?|bot"
    r"|phrases?)\b"
)
_MACHINE_SOURCE: Final = _compiled(
    r"\b(?:ai|ki|ia|iia|chatbot|assistant|sprachmodell|intelligen\w+|language model|modelo de lenguaje"
    r"|mod\x{e8}le de langage)\b"
)
