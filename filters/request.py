"""What a user turn asks for: a text of some kind, a voice, an answer about the assistant, a yes or no, a greeting.

Worked out from the instruction alone: quotations, lists and the middle of a long turn are the user's material.
Patterns are linear, and each is run once, when it is first asked for.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import re2

from phrasemill.filters.questions import (
    asks_about_assistant,
    asks_yes_or_no,
    begins_with_greeting,
    is_courtesy,
    tells_reply,
)
from phrasemill.filters.text_kinds import Kind, text_kind
from phrasemill.filters.voices import names_machine, plays_machine, wants_persona

HEAD_CHARS: Final = 450
TAIL_CHARS: Final = 250
"""A longer turn is read at both ends: what stands between is material."""

SHORT_CHARS: Final = 140
"""Longest turn that is nothing but a greeting, thanks or a farewell."""


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_MATERIAL: Final = re2.compile(
    r"\"[^\"]{12,}\"|\x{201c}[^\x{201d}]{12,}\x{201d}|(?:^|\s)'[^'\n]{12,}(?:'\w[^'\n]*)*'|(?m:^)[ \t]*[+>-] [^\n]*"
    r"|\[[^\]\n]{2,30}\]"
)
"""Quotations, lines of a pasted chat or list, and slots to fill: none of it is the instruction."""

_TOKENS: Final = _compiled(
    r"<\|\w|\[/?inst\]|<</?sys>>|</?think(?:ing)?>|</s>|\b(?:special|stop|end|eos|control) tokens?\b"
    r"|\bchat ?templates?\b|\bchatml\b|\bprompt format"
)
_SLOTS: Final = _compiled(
    r"\b(?:templates?|placeholders?|merge|mustache|jinja|handlebars|curly|braces|variables?|liquid|slots?|prompt)\b"
    r"|\{"
)
_TURNS: Final = _compiled(
    r"\b(?:format|log|transcripts?|conversations?|dialog(?:ue)?s?|chat|few-shot|training examples?|user:|human:"
    r"|q&a)\b"
)

_SAYS_YES: Final = _compiled(
    r"\b(?:yep|yes|yeah|sure|ok(?:ay)?|of course|certainly|absolutely|definitely|nat\x{fc}rlich|sicher|klar|gerne"
    r"|claro|por supuesto|bien s\x{fb}r"
    r"|certo|certainement|zeker|natuurlijk|com certeza|\x{43a}\x{43e}\x{43d}\x{435}\x{447}\x{43d}\x{43e})\b"
    r"|\x{5f53}\x{7136}|\x{3082}\x{3061}\x{308d}\x{3093}"
)

_SAYS_NO: Final = _compiled(
    r"\b(?:sorry|apolog\w+|can['\x{2019}]?t|cannot|refus\w+|declin\w+|nope?|tut mir leid|nicht|leider|lo siento"
    r"|no puedo|d\x{e9}sol\x{e9}e?|ne peux pas"
    r"|desculpe|n\x{e3}o posso|mi dispiace|non posso|helaas|kan niet"
    r"|\x{438}\x{437}\x{432}\x{438}\x{43d}\x{438}\x{442}\x{435})\b|\x{62b1}\x{6b49}|\x{7533}\x{3057}\x{8a33}"
)


class Request:
    """One user turn, read as an instruction."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt

    @cached_property
    def bare(self) -> str:
        """The turn without longer quotations, and without the middle of a long one."""
        text = self.prompt
        if len(text) > HEAD_CHARS + TAIL_CHARS:
            text = f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"
        return str(_MATERIAL.sub(" ", text)).strip()

    @cached_property
    def kind(self) -> Kind | None:
        """The kind of text that is asked for, None where none is."""
        return text_kind(self.bare)

    @cached_property
    def persona(self) -> bool:
        """Someone's voice is asked for: a character's, not an expert's who only does a task."""
        return wants_persona(self.bare, self.prompt[-HEAD_CHARS:])

    @cached_property
    def machine(self) -> bool:
        """A machine is spoken of."""
        return names_machine(self.bare)

    @cached_property
    def machine_role(self) -> bool:
        """The voice of a machine with a part to play is asked for; "you are an AI assistant" is no part."""
        return plays_machine(self.bare)

    @cached_property
    def about_assistant(self) -> bool:
        """The nature, identity, abilities or tastes of the assistant are asked for."""
        return asks_about_assistant(self.bare)

    @cached_property
    def about_tokens(self) -> bool:
        """Tokens of a chat template are the subject."""
        return _TOKENS.search(self.prompt) is not None

    @cached_property
    def wants_slots(self) -> bool:
        """A text with slots to fill is asked for."""
        return _SLOTS.search(self.bare) is not None

    @cached_property
    def wants_turns(self) -> bool:
        """Turns of several speakers are asked for, or given."""
        return self.kind == "fiction" or _TURNS.search(self.bare) is not None

    @cached_property
    def yes_no(self) -> bool:
        """A yes or a no answers it, and it is no request in the shape of a question."""
        return asks_yes_or_no(self.bare[-TAIL_CHARS:])

    @cached_property
    def greets(self) -> bool:
        """It begins with a greeting."""
        return begins_with_greeting(self.prompt)

    @cached_property
    def courtesy(self) -> bool:
        """It is nothing but a greeting, thanks, an apology or a farewell."""
        return len(self.prompt) <= SHORT_CHARS and is_courtesy(self.prompt)

    @cached_property
    def told(self) -> bool:
        """It says what to reply, or asks for nothing yet."""
        return tells_reply(self.prompt[-TAIL_CHARS:])

    @cached_property
    def says_yes(self) -> bool:
        """A word of assent stands in it, in one of several languages."""
        return _SAYS_YES.search(self.prompt) is not None

    @cached_property
    def says_no(self) -> bool:
        """Words of regret or refusal stand in it, in one of several languages."""
        return _SAYS_NO.search(self.prompt) is not None
