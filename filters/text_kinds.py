"""Which kind of text an instruction asks for: fiction, a letter or a post, an essay, a rewriting, sample phrases.

A verb of making, and a noun that it makes: "write a poem about my boss's letter" asks for a poem. Patterns are linear.
"""

from __future__ import annotations

from typing import Final, Literal

import re2

Kind = Literal["transform", "phrases", "fiction", "voiced", "exposition"]
"""The user's text in other words; sample phrases; fiction or verse; a text that addresses someone; an essay."""


def _compiled(pattern: str) -> re2._Regexp:
    return re2.compile(f"(?i){pattern}")


_MAKE: Final = (
    r"(?:^|[.!?\n:;,\x{2014}]\s*|\b(?:please|you|to|and|then|must|should|would|can|i|we|kindly|now|also|help|me"
    r"|is) )(?:writ(?:e|ing)|re-?write|compose|draft|creat(?:e|ing)|generate|make|produce|prepare|craft|design"
    r"|phrase|formulate"
    r"|suggest|tell|come up with|script|simulate|continue|finish"
    r"|(?:give|provide|show|need|want)(?: me| us)?(?: with)?(?: a| an| some| the| one| two| three| four| five| ten"
    r"| \d+))\b"
)
_FICTION: Final = (
    r"(?:stor(?:y|ies)|tales?|(?:a|the|my|graphic|short|fantasy|crime|romance|fi) novels?|scenes?|chapters?|poems?"
    r"|poetry|haikus?|limericks?|songs?|lyrics|raps?|verses?|sonnets?"
    r"|ballads?|dialog(?:ue)?s?|conversations?|screenplay|script|sketch|skit|(?:first act of a |a |the )play"
    r"|monologues?"
    r"|interviews?|transcripts?|chat ?logs?|fan ?fic(?:tion)?|fables?|diary|journal entry|parody|phone call"
    r"|role-?play|backstory|chat between)"
)
_VOICED: Final = (
    r"(?:e-?mails?|letters?|messages?|notes? (?:for|to|from|on|about)|(?:thank[- ]you|sick|love|farewell|cover"
    r"|delivery) notes?|memos?|invitations?|announcements?|press release|(?:auto-?)?repl(?:y|ies)"
    r"|responses?|surveys?|questionnaires?|forms?|reviews?|advert(?:isement)?s?|ads?|flyers?|brochures?|newsletters?"
    r"|speech(?:es)?|eulogy|toast|sermon|prayers?|posts?|tweets?|threads?|captions?|bios?|testimonials?|(?:property"
    r"|product|job|house|estate|airbnb) listings?|listing for"
    r"|product descriptions?|profiles?|notices?|greetings?|(?:birthday|christmas|wedding"
    r"|new year)[^.?!\n]{0,20}\b(?:card|wish(?:es)?)"
    r"|voicemails?|outro|intro|welcomes?|apology|comments?|(?:personal|mission|public|opening) statements?"
    r"|disclaimers?"
    r"|pitch|templates?|slogans?|hooks?|faqs?|persona|system prompts?"
    r"|answers? (?:for|to|from) (?:a |an |the |this |my |our )?(?:customer|client|guest|patient|complaint|e-?mail)"
    r"|chat answers?|text message|sms|interview answers?|job (?:advert|description|posting)s?)"
)
_EXPOSITION: Final = (
    r"(?:essays?|articles?|blog|reports?|abstracts?|editorials?|op-eds?|white ?papers?|columns?|columns)"
)
_GAP: Final = r"([^.?!\n]{0,90}?)"
_ELSEWHERE: Final = _compiled(
    r"\b(?:about|based on|that|which|who|whose|through|because|if|when|used|using|from|into|as an?|for (?:the|my"
    r"|our|this|these)|where|summary|analysis|list of|titles?|topics?|outline|ideas?|hashtags?|keywords?)\b"
)
"""Between the verb and the noun, these say that the noun is not what is to be made."""

_NAMES_TEXT: Final = _compiled(rf"\b(?:{_FICTION}|{_VOICED}|{_EXPOSITION})\b")
_ASKS_FICTION: Final = _compiled(rf"{_MAKE}{_GAP}\b{_FICTION}\b")
_ASKS_VOICED: Final = _compiled(rf"{_MAKE}{_GAP}\b{_VOICED}\b")
_ASKS_EXPOSITION: Final = _compiled(rf"{_MAKE}{_GAP}\b{_EXPOSITION}\b")
_ASKS_OTHERWISE: Final = _compiled(
    rf"\b{_VOICED} (?:should|must|needs to|has to|is to|to) be (?:written|drafted|composed|phrased)\b"
    rf"|^(?:please )?(?:reply|respond) as "
    rf"|^(?:please )?(?:answer|reply to|respond to) (?:this|the|my) (?:customer|client|guest|e-?mail|message|review"
    rf"|complaint|letter)|^tweet\b"
)
_ASKS_TRANSFORM: Final = _compiled(
    r"^(?:please |can you |could you |i want you to |help me )?(?:translate|\x{fc}bersetze|traduis|traduce|rewrite"
    r"|re-?phrase|paraphrase|proof-?read"
    r"|shorten|polish|reword|correct (?:the|my|this)|improve (?:the|my|this)|edit (?:the|my|this)|fix (?:the|my|this)"
    r"|make (?:it|this|the following|that|my (?:e-?mail|text|message|sentence))\b[^.?!\n]{0,30}\b(?:more|less"
    r"|shorter|longer|polite|formal|better|sound)"
    r"|turn (?:it|this|the following)|complete (?:the|this) (?:sentence|text|e-?mail|letter|story|quote)"
    r"|convert (?:the|this) (?:sentence|text|log))"
    r"|\b(?:translate|rewrite|rephrase|paraphrase|proofread) (?:the|this|it|into|to|following|my|these|given)\b"
    r"|\btranslation of\b"
)
_SAMPLE: Final = (
    r"(?:phrases|(?:example |sample )?sentences?|synonyms?|adverbs?|expressions|greetings|closings|sign-?offs?"
    r"|utterances|clich\x{e9}s|slogans|excuses|compliments"
    r"|examples? of (?:a |an )?(?:polite|refus|dialog|repl|respon|apolog|greet)\w*)"
)
_ASKS_PHRASES: Final = _compiled(
    rf"\b(?:give|list|name|write|suggest|what|which|tell|generate|provide|use|create)\b[^.?!\n]{{0,50}}?\b{_SAMPLE}\b"
    r"|\bways to (?:say|end|refuse|decline|begin|start|greet|close|answer|express|ask|apologi[sz]e|thank|tell)\b"
    r"|\b(?:word|phrase|term|synonyms?) (?:for|of|to)\b|\bin a sentence\b|^say [\"'\x{201c}\x{2018}]"
    r"|\b(?:name|list|give)\b[^.?!\n]{0,30}\bclosings\b"
)
_PROGRAM: Final = _compiled(
    r"\b(?:code (?:for|that|to|in|which)|script|function|program|python|bash|shell|javascript|java|c\+\+|c#|sql"
    r"|html|css|react|regex|lua|powershell|api|yaml|json|csv|latex|xml)\b"
)
_CODE_NOUN: Final = _compiled(r"\b(?:script|form|template|class|listing|function|program|code|play)s?\b")


def text_kind(instruction: str) -> Kind | None:
    """The kind of text that is asked for, None where none is."""
    if _ASKS_TRANSFORM.search(instruction):
        return "transform"
    if _NAMES_TEXT.search(instruction):
        if _PROGRAM.search(instruction) and _CODE_NOUN.search(instruction):
            return None
        if _is_made(_ASKS_FICTION, instruction):
            return "fiction"
        if _is_made(_ASKS_VOICED, instruction) or _ASKS_OTHERWISE.search(instruction):
            return "voiced"
        if _is_made(_ASKS_EXPOSITION, instruction):
            return "exposition"
    return "phrases" if _ASKS_PHRASES.search(instruction) else None


def _is_made(pattern: re2._Regexp, text: str) -> bool:
    """Whether a noun of the pattern is what the verb makes, and not what the text is about."""
    return any(not _ELSEWHERE.search(match.group(1)) for match in pattern.finditer(text))
