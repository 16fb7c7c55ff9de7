"""What takes back a claim of a human life: a wish, a supposition, a denial, or words that are somebody else's."""

from __future__ import annotations

from typing import Final

import re2

TAKEN_BACK: Final = re2.compile(
    r"(?i)\bif I (?:were|was|had|could|did|ever|lived|owned|ate)\b|\bwere I\b|\bhad I\b|\bimagin\w+|\bsuppos(?:e|ing)\b"
    r"|\bpretend\w*|\bas (?:if|though)\b|\bhypothetical\w*|\bI wish\b|\bif you (?:like|will)\b|\bthink of (?:it|them"
    r"|this)\b"
    r"|\bis like (?:an?|the|having)\b|(?:^|[.!?]\s)say (?:I|my|you|that I)\b|\bI(?:'d| would) (?:\w+ )?(?:love|like"
    r"|want"
    r"|have|be|need) to\b|\bI(?:'m| am) (?:just |only |really |still )?(?:not (?:an? )?(?:human|person|real)"
    r"|an? (?:\w+ )?(?:ai"
    r"|a\.i\."
    r"|language model|chatbot|bot|robot|machine|program|assistant|computer|digital|virtual|algorithm|llm))\b"
    r"|\bas an? (?:\w+ )?(?:ai|language model|chatbot|llm|machine|digital|virtual)\b|\bneural net\w*"
    r"|\bdata ?cent(?:er|re)s?\b"
    r"|\btraining data\b|\bso to speak\b|\bfiguratively\b|\bmetaphorical\w*|\bvirtual(?:ly)?\b|\bdigital\b|\bservers?\b"
    r"|\bsilicon\b|\bcircuits?\b|\bthe cloud\b|\be\.g\.|\bas an? [\w ]{2,40}, I (?:want|need|should be able)\b"
    r"|[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Cyrillic}]"
)
"""Words in the sentence that make it a wish, a supposition, a comparison, or the talk of a machine about itself."""

DENIED: Final = re2.compile(
    r"(?i)\b(?:do not|don't|cannot|can't|did not|didn't|will never|can never|haven't|have not|have never"
    r"|never) (?:\w+ )?"
    r"(?:have|had|possess|own|experience[ds]?|get|eat|eaten|drink|sleep|slept|feel|felt|taste[ds]?|smell|been|lived"
    r"|visited|gone|cooked|tried|travel\w*|worked|literally|physically|actually)\b|\black(?:s|ing)?\b|\bI(?:'m"
    r"| am) (?:not|no)\b"
    r"|\bI(?:'ve| have) (?:no|neither|never)\b|\bwithout (?:an?|any)\b|\bno \w+ of my own\b"
    r"|\bI(?:'d| would|'ll| might| may) (?:\w+ )?(?:be|have|go|eat|drink|live|say|pick|choose|cook|bake)\b"
)
"""Words in the clause of a claim that deny it, or make it a wish."""

SAMPLE: Final = re2.compile(
    r"(?i)\b(?:examples?|e\.g\.|such as|say|says|said|lines?|phrases?|sentences?|prompts?|verb|noun|adjective"
    r"|like (?:these|this"
    r"|so)|answer|reply|replies|something like|write|statements?|affirmations?|entry|entries|caption|template"
    r"|version)\b"
    r"[^.!?\n]{0,60}:"
)
"""What announces words that are not the assistant's own, up to the colon."""
