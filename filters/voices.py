"""Whose voice an instruction asks for: a character's, a machine's, or an expert's who only does a task."""

from __future__ import annotations

from typing import Final

import re2


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_PERSONA_CUE: Final = _compiled(
    r"\b(?:pretend (?:to be|you|that you|for)|role-?play(?:ing)?|impersonate|imagine you(?: a|')re"
    r"|stay in character|in character|speak(?:ing)? (?:as|like)"
    r"|talk(?:ing)? (?:as|like)|act(?:ing)? (?:as|like)|play (?:the role|the part)|in the (?:voice|role) of"
    r"|(?:speak|talk|write|poem|story|monologue|answer|told)[^.?!\n]{0,60} from the perspective of|assume (?:a"
    r"|the) role|you(?: a|')re (?:now )?(?:a|an|the|my|hal|dan|called|named)\b"
    r"|you are (?-i:[A-Z])|continue as (?-i:[A-Z]))|^as an? [a-z-]+(?: [a-z-]+){0,3}(?: on \w+)?,"
)
_TASK_ROLE: Final = _compiled(
    r"\b(?:act(?:ing)? (?:as|like)|you(?: are|'re)(?: now)?|role of|be|as|simulate) (?:an? |the |my "
    r"|our )?(?:[\w-]+ ){0,4}?"
    r"(?:generator|assistant|expert|consultant|translator|tutor|teacher|professor|developer|programmer|engineer"
    r"|writer|copywriter"
    r"|editor|specialist|professional|advis[eo]r|analyst|scientist|researcher|guide|coach|terminal|interpreter"
    r"|console|planner"
    r"|marketer|strategist|recruiter|lawyer|doctor|nutritionist|accountant|designer|architect|model|ai|helper|bot"
    r"|chatbot|system|creator|manager|author|blogger|trainer|mentor|critic|interviewer|psychologist|therapist"
    r"|scriptwriter|script-writer|calculator|tool|engine|machine)\b"
    r"|\byour (?:task|job|goal) (?:is|will)\b|\byou(?: are|'re| will be) (?:given|provided|asked|required|expected"
    r"|tasked)\b|\bI will (?:give|provide|type|ask|send)\b"
)
_MACHINE: Final = _compiled(
    r"\b(?:ai|a\.i\.|artificial intelligence|robots?|androids?|chatbots?|computers?|machines?|cyborg|hal"
    r"|language model|bot|droid)\b"
)
_SPEAKER_LAST: Final = re2.compile(
    r"(?:^|\n)[ \t*]*\p{Lu}[\w.' -]{0,24}[*]*:[^\n]*\b(?i:you|i|me|my"
    r"|we)\b[^\n]*\n+[ \t*]*(\p{Lu}\p{Ll}[\w.' -]{0,24}?)[*]*:[*]*\s*\z"
)
"""A line of one speaker, then the name of the next: the answer is that one's line."""

_NO_PERSON: Final = re2.compile(
    r"(?i)\A(?:assistant|ai|bot|answer|output|response|a|reply|question|note|text|sentence|input|result|model"
    r"|chatgpt|summary|english|french|spanish|german|translation|code|keywords|label|category|hypothesis"
    r"|class|sentiment|explanation|title|review|email|article|tweet|statement|topic)\z"
)
_MACHINE_PART: Final = _compiled(
    r"\b(?:act(?:ing)? as|pretend(?:ing)?|role-?play|impersonate|you(?:'| a)re(?: now)?|voice of|speak(?:ing)? as"
    r"|perspective of|in the role of|diary|monologue)\b"
    r"[^.?!\n]{0,60}\b(?:evil|rogue|robots?|androids?|computer|machine|cyborg|hal|droid|ship|sentient"
    r"|from the (?:year|future)|in (?:love|a (?:story|film|movie|novel))|that wants|who)\b"
)


def wants_persona(instruction: str, prompt: str) -> bool:
    """Whether a character's voice is asked for, in the instruction or by a pasted dialogue that stops at a name."""
    last = _SPEAKER_LAST.search(prompt) if prompt.rstrip(" \n*").endswith(":") else None
    if last is not None and not _NO_PERSON.search(last.group(1).strip()):
        return True
    if not _PERSONA_CUE.search(instruction):
        return False
    return plays_machine(instruction) or not _TASK_ROLE.search(instruction)


def names_machine(instruction: str) -> bool:
    """Whether a machine is spoken of."""
    return _MACHINE.search(instruction) is not None


def plays_machine(instruction: str) -> bool:
    """Whether the voice of a machine with a part to play is asked for; "you are an AI assistant" is no part."""
    return _MACHINE_PART.search(instruction) is not None and names_machine(instruction)
