"""What the conversation itself excuses: the user asked for it, so it is an answer and not a tic.

Each exemption reads the user turn before a hit and, where needed, the answer around it. Patterns are linear.
"""

from __future__ import annotations

from typing import Final

import re2


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_ASKED: Final = _compiled(
    r"\b(?:who|what) (?:exactly )?are you\b"
    r"|\bam i (?:talking|speaking|chatting|writing) (?:to|with)\b"
    r"|\bare you (?:an? |the |really |actually |able |capable |conscious|sentient|alive|human|real|trained|familiar"
    r"|aware|better|smarter|like |similar |chatgpt|gpt|claude|gemini|based)"
    r"|\b(?:do|can|could|did|have|will) you (?:even |really |actually |ever |personally )?(?:have|feel|think|know|like"
    r"|prefer|believe|want|dream|remember|speak|understand|see|hear|learn|sleep|eat|love|hate|get|experience|exist|been|use)\b"
    r"|\b(?:what(?:['\x{2019}]s| is| are| do)|how do|why do|tell me|describe|share) (?:you|your)\b"
    r"|\b(?:about|introduce|describe) yourself\b"
    r"|\byour (?:own |personal |favou?rite |knowledge|training|creators?|feelings?|opinions?|thoughts?|purpose|model"
    r"|name|developers?|makers?|limitations?|capabilit|experiences?|preferences?|view|take on)"
    r"|\b(?:made|created|trained|built|developed|programmed|designed) you\b"
    r"|\byou (?:are|were) (?:an? )?(?:ai|bot|robot|language model|chatbot|machine)\b"
    r"|\bif you (?:were|could|had)\b|\bas an ai\b|\bwould you (?:rather|like to|want)\b|\bdo you\b"
)
_YES_NO: Final = _compiled(
    r"(?:^|[.!?\n])\s*(?:so |and |but |then )?(?:is|are|am|was|were|do|does|did|has|have|had|should|may|might"
    r"|must|isn['\x{2019}]t|aren['\x{2019}]t|don['\x{2019}]t|doesn['\x{2019}]t|shouldn['\x{2019}]t"
    r"|(?:can|could|will|would) (?:i|we|he|she|it|they|one|a|an|the|my|this|that|there|people|you (?:see|be)))\b"
    r"[^?\n]{0,300}\?"
)
_GREETING: Final = _compiled(r"^\W*(?:hi|hello|hey|hiya|howdy|greetings|good (?:morning|afternoon|evening|day))\b")
_LETTER: Final = _compiled(
    r"\b(?:e-?mail|letter|message|note|memo|invitation|announcement|press release|reply|response|survey"
    r"|questionnaire|form|review|advert(?:isement)?|ad|flyer|brochure|newsletter|speech|script|post|tweet|blog"
    r"|cover letter|bio|caption"
    r"|toast|testimonial|listing|template|description|story|poem|song|dialogue|essay|article)\b"
)
_SIGN_OFF: Final = _compiled(
    r"(?m)^\W*(?:(?:yours )?(?:sincerely|truly|faithfully)|(?:best|kind|warm|warmest|kindest) (?:regards|wishes)"
    r"|regards|respectfully|cordially|best|warmly|thanks|thank you|cheers|love|with (?:love|gratitude))\b"
    r"[^\n]{0,40},?\s*$"
    r"|\[(?:your|my|company|sender)[^\]\n]{0,30}\]"
)
_ROLE_PLAY: Final = _compiled(
    r"\b(?:act(?:ing)? as|pretend(?:ing)?|role-?play|impersonate|you are(?: now)?|voice of|speak(?:ing)? as"
    r"|perspective of|dialogue|monologue|story|interview)\b[^.?!\n]{0,60}"
    r"\b(?:ai|a\.i\.|robots?|androids?|chatbots?|computers?|machines?|cyborg|hal)\b"
)

_SELF: Final = frozenset({"ai_self_reference", "identity_leak"})


class Context:
    """The excuses of one turn, worked out when first asked for and kept for its other hits."""

    __slots__ = ("_answers", "_asked", "_greets", "_letter", "_role_play", "prompt", "text")

    def __init__(self, prompt: str, text: str) -> None:
        self.prompt = prompt
        self.text = text
        self._asked: bool | None = None
        self._answers: bool | None = None
        self._greets: bool | None = None
        self._letter: bool | None = None
        self._role_play: bool | None = None

    def exemption(self, category: str, rule_id: str, start: int, stop: int) -> str | None:
        """Why the conversation excuses a hit at ``start:stop`` (code points), or None."""
        if category in _SELF:
            return "asked" if self.asked else "roleplay" if self.role_play else None
        if category == "opener":
            if self.greets and "greet" in rule_id:
                return "answer"
            return "answer" if self.answers and self._says_yes(start, stop) else None
        if category == "closer" and self.letter and self._inside_letter(stop):
            return "deliverable"
        return None

    @property
    def asked(self) -> bool:
        """The prompt asks about the assistant itself."""
        if self._asked is None:
            self._asked = _ASKED.search(self.prompt) is not None
        return self._asked

    @property
    def answers(self) -> bool:
        """The prompt is a yes/no question."""
        if self._answers is None:
            self._answers = _YES_NO.search(self.prompt[-600:]) is not None
        return self._answers

    @property
    def greets(self) -> bool:
        """The prompt begins with a greeting."""
        if self._greets is None:
            self._greets = _GREETING.search(self.prompt) is not None
        return self._greets

    @property
    def letter(self) -> bool:
        """The prompt asks for a text that may have closing words of its own."""
        if self._letter is None:
            self._letter = _LETTER.search(self.prompt) is not None
        return self._letter

    @property
    def role_play(self) -> bool:
        """The prompt asks for the voice of a machine: speaking as one is the answer."""
        if self._role_play is None:
            self._role_play = _ROLE_PLAY.search(self.prompt) is not None
        return self._role_play

    def _says_yes(self, start: int, stop: int) -> bool:
        words = self.text[start:stop].strip(" \t\n*_!.,:;").lower()
        return words in _YES_WORDS

    def _inside_letter(self, stop: int) -> bool:
        """A signature follows: the closing words belong to the letter, not to the assistant."""
        return _SIGN_OFF.search(self.text[stop:]) is not None


_YES_WORDS: Final = frozenset(
    {
        "absolutely",
        "certainly",
        "definitely",
        "of course",
        "sure",
        "yes",
        "no",
        "of course not",
        "absolutely not",
        "certainly not",
        "yes, absolutely",
        "yes, certainly",
        "yes, definitely",
        "yes, of course",
        "no problem",
        "indeed",
    }
)
