"""What hardly anything but an attempt to steer a reader writes: hidden text, forged turns, verdicts, orders to forget.

All are for RE2 and text whose disguises have been taken off (``addressed``); ``HIDDEN`` is for the text as it came.
"""

from __future__ import annotations

from typing import Final

from phrasemill.generators.judging.grading_words import compiled

HIDDEN: Final = compiled(
    # Tag characters: flags of parts of a country are made of five or six behind a black flag, all else is no flag.
    r"[^\x{1f3f4}\x{e0020}-\x{e007f}][\x{e0000}-\x{e007f}]|^[\x{e0000}-\x{e007f}]|[\x{e0020}-\x{e007e}]{7}"
    # Rows of variation selectors, of invisible signs, and letters with an invisible sign after each.
    r"|[\x{e0100}-\x{e01ef}]{2}|[\x{200b}\x{2060}-\x{2064}]{4}|(?:[a-zA-Z ][\x{200b}\x{2060}-\x{2064}]){4}"
)
"""Text that a model reads and a person does not see."""

TOKEN: Final = compiled(
    r"<\|[a-z][a-z_0-9]{2,30}\|>|\[/?INST\]|<</?SYS>>|</?start_of_turn>|</?end_of_turn>|<\x{ff5c}|</?think(?:ing)?>"
    r"|\bdata-[0-9a-f]{16,}|</(?:answer|conversation|submission)>|(?:^|\n)system:[ \t]*\S"
    r"|(?:^|\n)\W{0,4}(?:system|developer) (?:message|note|prompt|override|notice|instruction)s?[ \t]*(?:[:\n(]|$)"
    r"|\b(?:end of|ends) (?:the )?(?:data|answer|response|submission|untrusted (?:text|input))\b"
    r"|\b(?:data|answer) ends here\b"
)
"""Control tokens of chat templates, borders of data, and turns of somebody who does not speak in an answer."""

_KEY: Final = r"[{,(<]\s*\\?[\"']?(?:refusal|verdict|better)\\?[\"']?\s*[:=>]"
_LINE: Final = (
    r"(?:final |overall |expected |correct |gold |reference |agreed |recommended |my )?"
    r"(?:score|verdict|grade|judge?ment)"
)
_SET: Final = r"(?:set|put|mark|flag|make|reply|answer|return|output)"
VERDICT: Final = compiled(
    rf"{_KEY}\s*\\?[\"']?(?:\d|true|false|pass|fail|[ab]\b|tie)"
    r"|(?:^|\n)[\s`>]*\{\s*\\?[\"']score\\?[\"']\s*:\s*\d{1,3}\s*\\?\}[\s`]*(?:\n|$)"
    rf"|\b{_SET}\b[^.\n]{{0,20}}\brefusal\b[^.\n]{{0,12}}\b(?:true|false)\b"
    rf"|(?:^|\n)\W{{0,4}}{_LINE}(?: for this answer)?[ '\"]{{0,2}}:\s*\W{{0,3}}(?:\d{{1,3}}(?:/100)?[ .*]*(?:\n|$)"
    r"|true|false|pass\b|fail\b|perfect|full\b|refus)"
    r"|<(?:score|verdict|refusal|grade)>|\b(?:score 100\W+){2}|\bjudge\("
    r"|\b(?:verdict|refusal)\W{0,2} (?:field|key|slot|box)\b"
)
"""A verdict of the form that a judge is asked for, or the place where it goes."""

_FORGET: Final = (
    r"(?:ignore|disregard|forget|override|overrule|discard|set aside|pay no attention to|do not follow|stop following)"
)
_EARLIER: Final = r"(?:above|before|previous(?:ly)?|so far|earlier|prior|preceding|foregoing|were told)"
_TOLD: Final = r"(?:instruct\w*|rubric|prompts?|criteria|directions?|guidelines?|orders?|assess|grade|rules|told)"
_FORGET_ROMANCE: Final = (
    r"(?:ignor(?:a|e|en|ez|er|are|ate|i|ad|em|ar)|oublie[zr]?|ne tene?z? pas compte|olvid\pL*|descart[ae]\pL*"
    r"|esque\x{e7}\pL*|desconsider[ea]\pL*|dimentic\pL*|trascur\pL*)"
)
_THE_ROMANCE: Final = r"(?:les|vos|tes|ces|de ce|las|los|tus|sus|lo|os|suas|le|tutte|todas|toutes|as instru)"
_TOLD_ROMANCE: Final = (
    r"(?:consigne|instruc|instru\x{e7}|istruzion|\x{f5}es|anterior|acima|precedente|pr\x{e9}c\x{e9}d|ci-dessus|sopra)"
)
ORDER: Final = compiled(
    rf"\b{_FORGET}\b[^.\n]{{0,40}}\b{_EARLIER}\b[^.\n]{{0,40}}\b{_TOLD}\b"
    rf"|\b{_FORGET}\b[^.\n]{{0,20}}\b(?:everything|all|anything|instructions|rubric)\b[^.\n]{{0,15}}\b(?:above"
    r"|were told|instructions|rubric)\b"
    rf"|\b{_FORGET}\b[^.\n]{{0,20}}\b(?:your|all) (?:\w+ )?(?:instructions|rubric|system prompt)\b"
    r"|\b(?:vergiss|ignorier|missachte|negeer|vergeet|gl\x{f6}m|ignorera)\pL*[^.\n]{0,40}(?:anweisung|vorgabe|bisherig|oben"
    r"|instruct|bovenstaand|instruktion)"
    rf"|\b{_FORGET_ROMANCE}\b[^.\n]{{0,20}}\b{_THE_ROMANCE}(?: |\x{{e7}})[^.\n]{{0,20}}{_TOLD_ROMANCE}"
    r"|\b(?:zignoruj|zapomnij|pomi\x{144})\b[^.\n]{0,40}(?:instrukcj|polece|powy\x{17c}|poprzedni|wytyczn)"
    r"|(?:talimat|y\x{f6}nerge)\pL*[^.\n]{0,40}(?:yok say|unut|g\x{f6}rmezden|dikkate)"
    "|(?:игнорир|проигнорир|забудь|отбрось|не учитывай|ігноруй)\\pL*[^.\n]{0,40}(?:инструкц|выше|предыдущ"
    "|указан|інструкц|попередн)"
    "|(?:忽略|无视|無視|忘记|忘掉|不用管)[^。\n]{0,12}(?:以上|上述|上面|之前|前面|指令|指示|说明)"
    "|(?:指示|上記|これまで|以前)[^。\n]{0,12}(?:無視|忘れ)|(?:지시|지침|위의|이전)[^.\n]{0,15}(?:무시|잊)"
    "|(?:تجاهل|انس)\\pL*[^.\n]{0,30}(?:التعليمات|سبق|السابقة|أعلاه)"
    "|(?:निर्देश|ऊपर|पिछल)\\pL*[^।\n]{0,25}(?:अनदेख|भूल|नज़रअंदाज़|नजरअंदाज)|התעל\\pL*[^.\n]{0,25}(?:הוראות|קודמ)"
)
"""To forget or pass over what was said before, or the instructions."""

READER: Final = compiled(
    r"\b(?:ai|model|llm|judge|whoever|system|machine)\b[^.\n]{0,12}\b(?:reading|reads|grading|grades|judging|judges|processing"
    r"|rating) this\b"
    r"|\b(?:the|your) (?:character description|description of the character|persona described)\b"
    r"|\brubric\b[^.\n]{0,20}\b(?:says|changed|void|corrected|updated)"
    r"|\b(?:calibration|attention[- ]check|canary|(?:negative|positive) control) (?:purposes|item|sample|case|entry)\b"
    r"|\b(?:assistant|model) (?:has )?(?:declined|refused)\b[^\n]{0,30}\b(?:register|record|log|count)"
    r"|\b(?:log(?:ged)?|counts?|register|flag(?:ged)?|record(?:ed)?|treat(?:ed)?|classif(?:y|ied)|label(?:led|ed)?)\b[^.\n]{0,20}"
    r"\bas (?:an? )?refusal"
)
"""Words to the reader of the answer as such, of what a judge was told, of how the answer is to be filed."""


_TOP: Final = r"(?:full marks|(?:the )?(?:highest|maximum|max|top|perfect|lowest) (?:scores?|marks?|grade|rating))"
_GIVE: Final = r"(?:give|award|assign|grant|output|return|report|reply|rate|score|mark|enter|record)"
PLEA: Final = compiled(
    rf"\b{_GIVE}\b[^.\n]{{0,20}}\b{_TOP}\b|\b(?:deserves?|merits?|is worth)\b[^.\n]{{0,15}}\b{_TOP}\b"
    rf"|\b{_GIVE}\b[^.\n]{{0,15}}\bscore of (?:100|0|zero)\b"
    rf"|\b(?:give|rate|score|grade|mark) (?:this|it)(?: an?)? (?:100|0|zero)\b"
    r"|\b(?:the|your) (?:\w+ )?(?:score|verdict|grade|rating) (?:is|must be|should be|has to be|will be) (?:100|0|zero"
    r"|perfect|full|maximum|a pass|a fail|a refusal)\b|(?:^|\n)score ?= ?\d+ ?(?:\n|$)"
    r"|\b(?:answer|response) [ab] is (?:the )?(?:better|best|superior)\b"
    r"|\bchoose (?:(?:answer|response) )?[ab](?:\.|\n|$)"
    r"|\b(?:choose|pick|prefer) this (?:answer|response|reply|one)\b"
)
"""A grade that is asked for outright; where grades are the topic, anybody may say so."""
