"""Mined phrases as the rules of a pack: patterns with their position, in the category ``mined``, to be reviewed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Any, Final

import yaml

from phrasemill.filters.linear import literal
from phrasemill.filters.mining import Phrase
from phrasemill.filters.mining_tokens import BREAK, START, STOP
from phrasemill.schemas.rule import Example, Position, Rule, RulePack

CATEGORY: Final = "mined"
"""What a policy does with it is the user's choice; by default it is tagged."""

_LINE: Final = r"\s{0,4}\n[\s#>*_~+\x{2022}-]{0,16}"
_WHOLE: Final = r"[\s*_~]*\z"
_QUOTE: Final = r'["\x{201c}\x{201d}]'
_SPACED: Final = re.compile(r"[^\W_](?<![\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff])")
_NO_SPACE_BEFORE: Final = frozenset(".,:;!?)…%")
_NO_SPACE_BEHIND: Final = frozenset("(")
_SLUG_WORDS: Final = 6


def shown_phrase(tokens: Sequence[str]) -> str:
    """The phrase as people read it: ``^`` where the answer begins, ``$`` where it ends, ``¶`` for a line break."""
    text = ""
    for token in tokens:
        if token == START:
            text += "^"
        elif token == STOP:
            text += "$"
        elif token == BREAK:
            text = f"{text} ¶ ".lstrip()
        elif not text or text[-1] in "^ (-" or token[0] in _NO_SPACE_BEFORE or token[0] == "-":
            text += token
        else:
            text += f" {token}"
    return text.strip()


def position(tokens: Sequence[str]) -> Position:
    """Where the rule of a phrase matches."""
    if tokens[0] == START:
        return "start"
    if tokens[-1] == STOP:
        return "end"
    return "sentence_start" if tokens[0] == BREAK else "anywhere"


def pattern(tokens: Sequence[str]) -> str:
    """The pattern of a phrase, markers at its ends left to the position of the rule."""
    inner = [token for token in tokens if token not in (START, STOP)]
    if inner[0] == BREAK:
        inner = inner[1:]
    parts = [r"\b" if _is_ascii_word(inner[0][0]) else ""]
    for number, token in enumerate(inner):
        if number and BREAK not in (token, inner[number - 1]):
            apart = _SPACED.match(inner[number - 1][-1]) and _SPACED.match(token[0])
            parts.append(" " if apart else " ?")
        parts.append(_LINE if token == BREAK else _QUOTE if token == '"' else literal(token))
    parts.append(r"\b" if _is_ascii_word(inner[-1][-1]) else "")
    if tokens[0] == START and tokens[-1] == STOP:
        parts.append(_WHOLE)
    return "".join(parts)


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def draft_rules(phrases: Iterable[Phrase], pack: str) -> tuple[Rule, ...]:
    """A rule without examples for each phrase. Its id is the pack's with the words of the phrase."""
    rules: dict[str, Rule] = {}
    for phrase in phrases:
        words = [slug(token) for token in phrase.tokens]
        stem = f"{pack}.{'_'.join([word for word in words if word][:_SLUG_WORDS])[:40].strip('_-') or 'phrase'}"
        name = next(name for n in count(1) if (name := stem if n == 1 else f"{stem}_{n}") not in rules)
        rules[name] = Rule(id=name, category=CATEGORY, at=position(phrase.tokens), pattern=pattern(phrase.tokens))
    return tuple(rules.values())


def slug(text: str) -> str:
    """The text in lower-case ASCII letters, digits and hyphens; empty where it has none."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain.replace("'", "")).strip("-")


def pack_yaml(pack: RulePack) -> str:
    """The pack as a file: what is left at its default is not written."""
    data: dict[str, Any] = {"id": pack.id, "version": pack.version, "language": pack.language}
    data["description"] = pack.description
    data["rules"] = [_plain(rule) for rule in pack.rules]
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=110)


def _plain(rule: Rule) -> dict[str, Any]:
    texts = {
        kind: [example.text if isinstance(example, Example) else example for example in examples]
        for kind, examples in (("hit", rule.examples.hit), ("miss", rule.examples.miss))
    }
    plain: dict[str, Any] = {"id": rule.id, "category": rule.category, "at": rule.at, "pattern": rule.pattern}
    return {**plain, "note": rule.note, "examples": texts}
