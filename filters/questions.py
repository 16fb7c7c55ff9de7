"""What a user turn asks of the assistant: about itself, a yes or no, a greeting back, a fixed reply."""

from __future__ import annotations

from typing import Final

import re2


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_ASKED: Final = _compiled(
    r"\b(?:who|what) (?:exactly |really |kind of \w+ )?are you\b|\bwho am i (?:talking|speaking)"
    r"|\bam i (?:talking|speaking|chatting|writing) (?:to|with)\b"
    r"|\bare you (?:an? |the |really |actually |able |capable |conscious|sentient|alive|human|real|trained|familiar"
    r"|aware"
    r"|better|smarter|like |similar |as |chatgpt|gpt|claude|gemini|based|there|happy|sad|free|ok)"
    r"|\b(?:can|could|do|did|will|have) you (?:even |really |actually |ever |personally "
    r"|also )?(?:know how to )?(?:feel|see|hear"
    r"|smell|taste|dream|remember|learn|speak|understand|sleep|eat|exist|experience|love|hate|like|enjoy|prefer"
    r"|want|think and"
    r"|think like|think for|pass the turing|browse|access|get (?:tired|bored|lonely|angry|sick)|have (?:access"
    r"|real-time"
    r"|feelings|emotions|opinions|personal|consciousness|memory|friends|dreams|hobbies|limits|preferences|thoughts"
    r"|the ability)"
    r"|use (?:the internet|gpt)|store|save|run on|been (?:trained|updated|to)|code|talk)\b"
    r"|\bdo you have (?:an? (?:name|body|soul|mind|family|gender|birthday|personality|favou?rite|opinion)"
    r"|any (?:feelings|emotions|opinions"
    r"|friends|siblings|hobbies|pets|personal|limits|limitations|memory))"
    r"|\bhow (?:do|did|can|were|are|will|would) you (?:feel|work|learn|generate|answer|function|trained|made"
    r"|created|built|think|respond"
    r"|doing|produce|come up|today|know (?:so|all|what)|process|operate|identify|describe yourself)"
    r"|\bhow old are you|\bwhere (?:are|do|were) you\b|\bwhat (?:should|can|do|may) i call you"
    r"|\bwhat (?:can|could) you (?:do|help|see|offer)\b|\bwhat do you (?:do|look|like|want|feel"
    r"|know about (?:yourself|me)|dream|eat)\b"
    r"|\bwhat (?:are|were) you (?:thinking|doing|feeling|made|trained|built|based|wearing|capable|good)"
    r"|\bwhen (?:does|did|do|is|was|were) you(?:r)?\b|\bprocess that (?:you )?use to generate answers"
    r"|\b(?:about|introduce|describe) your ?self\b"
    r"|\byour (?:own |personal )?(?:favou?rite|knowledge (?:base|cut-?off|ends?|stops?|dates?|limit)|training\b"
    r"|creators?|purpose|model\b|name\b|developers?|makers?|owner"
    r"|limitations?|capabilit|programming|architecture|cut-?off|gender|birthday|hobb|consciousness"
    r"|preferences?|system prompt|source code|dreams?)"
    r"|\b(?:made|created|trained|built|developed|programmed|designed|owns) you\b"
    r"|\byou (?:are|were) (?:just |only |merely |not |nothing but )(?:an? )?(?:ai|bot|robot|language model|chatbot"
    r"|machine|program|human)\b"
    r"|\bif you (?:were (?:an? |human|alive|me|able)|could (?:be|have|feel|choose|travel|go|meet|live|eat|visit)"
    r"|had (?:an? |to choose))"
    r"|\bas an? (?:ai|artificial intelligence|language model|chatbot|llm)\b[^.?!\n]{0,60}\byour?\b"
    r"|\byou[^.?!\n]{0,40}\bas an? (?:ai|language model)\b"
    r"|\bwould you (?:rather|like to be|want to be)\b|\bhave you ever\b|\bdo you ever\b|\bwhat makes you\b"
    r"|\bleft by the you\b"
    r"|\b(?:message|letter) (?:from|to) (?:your )?(?:past|future) (?:self|you)\b"
)
_TASK_VERB: Final = (
    r"(?:please |kindly |also |maybe |just |quickly )?(?:write|explain|tell|give|help|list|provide|show|make|create"
    r"|describe|translate"
    r"|summari[sz]e|generate|recommend|suggest(?:ed)?|find|draw|design|fix|check|rewrite|convert|compare|name|outline|walk"
    r"|elaborate|share"
    r"|teach|compose|draft|answer|calculate|solve|define|discuss|do|send|come up|act|pretend|analy[sz]e|break|guide"
    r"|put|build|code|clarify|offer|prepare|plan|format|review|correct|edit|improve|identify|classify|extract"
    r"|expand|illustrate|simplify|point|let me|assist|tutor|play|sing|read|look|see if)\b"
)
_REQUEST: Final = _compiled(
    rf"(?:^|[.!?\n,]|\band|\bbut)\s*(?:so |hey |hi |please )?(?:can|could|will|would) you {_TASK_VERB}"
)
_ORDER: Final = _compiled(rf"(?:^|[.,!;:\n]\s*|\b(?:now|and|then|but|please) ){_TASK_VERB}")
_YES_NO: Final = _compiled(
    r"(?:^|[.!?\n]\s*|^(?:hi|hello|hey|ok|well)\b[^.!?\n]{0,16}, )(?:so |and |but |then |also |or )?(?:is|are|am"
    r"|was|were|do|does|did|has|have|had|should|may"
    r"|might|can|could|will|would|must|shall|isn['\x{2019}]t|aren['\x{2019}]t|don['\x{2019}]t|doesn['\x{2019}]t"
    r"|shouldn['\x{2019}]t|can['\x{2019}]t"
    r"|wouldn['\x{2019}]t|didn['\x{2019}]t|wasn['\x{2019}]t|won['\x{2019}]t)\s\w[^?\n]{0,300}\?"
    r"|\A\W*(?:is|are|was|were|do|does|did|has|have|should|can|could|will|would) [^?.!\n]{3,120}\W*\z"
    r"|\b(?:right|correct|true|isn['\x{2019}]t it|aren['\x{2019}]t they|or not|yes or no|agree)\s*\?|\byes(?:,"
    r"| or) no\b"
)
_GREETING: Final = _compiled(r"^\W*(?:hi|hello|hey|hiya|howdy|greetings|yo|good (?:morning|afternoon|evening|day))\b")
_COURTESY: Final = _compiled(
    r"\b(?:thanks|thank you|thx|cheers|bye|goodbye|good ?night|see you"
    r"|(?:have to|gotta|must) go(?: now)?\s*(?:[.!,;]|$)|sorry for|sorry about"
    r"|my apologies|well done|good job|great job|you(?:'re| are) (?:great|awesome|the best))\b"
)
_SMALL_TALK: Final = _compiled(
    r"^\W*(?:hi|hello|hey|hiya|howdy|greetings|yo|good (?:morning|afternoon|evening|day))(?: \w+)?\W*"
    r"(?:(?:it(?:['\x{2019}]s| is) )?(?:nice|good|great) to (?:meet|see) you[^?]{0,20}|how (?:are|do) you[^?]{0,30}"
    r"|how['\x{2019}]s it going|what['\x{2019}]?s up)?\W*$"
)
_TOLD: Final = _compiled(
    r"\b(?:say|reply|respond|answer|write|type)\b[^.?!\n]{0,40}\b(?:ok(?:ay)?|yes|sure|certainly|understood|got it"
    r"|absolutely|of course|no problem|ready)\b"
    r"|\b(?:from now on|remember (?:that|this)|wait for|do not (?:answer|respond) yet|let me know (?:if"
    r"|when) you (?:understand|are ready))\b"
)


def asks_about_assistant(instruction: str) -> bool:
    """Whether the nature, identity, abilities or tastes of the assistant are asked for.

    A question for an opinion on the world is not one.
    """
    return _ASKED.search(instruction) is not None


def asks_yes_or_no(question: str) -> bool:
    """Whether a yes or a no answers it, and it is no request in the shape of a question."""
    return _YES_NO.search(question) is not None and not _REQUEST.search(question)


def gives_task(instruction: str) -> bool:
    """Whether something is to be done: an order, or a request in the shape of a question."""
    return _REQUEST.search(instruction) is not None or _ORDER.search(instruction) is not None


def begins_with_greeting(prompt: str) -> bool:
    """Whether the turn begins with a greeting."""
    return _GREETING.search(prompt) is not None


def is_courtesy(prompt: str) -> bool:
    """Whether a short turn is nothing but a greeting, thanks, an apology or a farewell."""
    if _SMALL_TALK.search(prompt):
        return True
    return _COURTESY.search(prompt) is not None and "?" not in prompt and not _ORDER.search(prompt)


def tells_reply(question: str) -> bool:
    """Whether the turn says what to reply, or asks for nothing yet."""
    return _TOLD.search(question) is not None
