"""Phrases that a server must not decode, in the words of that server.

llama.cpp's ``logit_bias`` with a text forbids every token of that text wherever it stands: "a curious and" takes "and"
out of the language. So a ban there is a grammar that accepts every text without the phrase. vLLM's ``bad_words``
forbids token sequences, which is what is wanted. Other servers get nothing: the scan of the answer decides anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

Dialect = Literal["llama.cpp", "vllm", "other"]

MAX_PHRASES: Final = 6
MAX_CHARACTERS: Final = 60
"""A grammar grows with both; the newest phrases are the ones that are banned."""

_OTHER_WORD: Final = "word"
_OTHER_GAP: Final = "gap"
_GAPS: Final = "".join(chr(code) for code in range(32, 127) if not chr(code).isalnum() and chr(code) != "_") + "\t\n\r"

State = tuple[frozenset[tuple[int, int]], bool]
"""How far each phrase has been read, and whether the next character may begin a word."""


def ban_fields(dialect: Dialect, phrases: Sequence[str]) -> dict[str, Any]:
    """Request fields that ban ``phrases``, or nothing where the server cannot.

    A phrase of one bare word is left out: a ban works on letters, and one on "sure" would take "surely" with it.
    """
    folded = _folded(phrases)
    if not folded or dialect == "other":
        return {}
    if dialect == "vllm":
        return {"bad_words": [text for text in map(str.strip, phrases) if _is_exact(text)][-MAX_PHRASES:]}
    return {"grammar": ban_grammar(folded)}


def _is_exact(text: str) -> bool:
    return len(text.split()) > 1 or (bool(text) and not _is_word(text[-1]))


def _folded(phrases: Sequence[str]) -> list[str]:
    folded: list[str] = []
    for phrase in phrases:
        text = " ".join(phrase.lower().replace("\u2019", "'").split())
        if len(text) > MAX_CHARACTERS:
            text = text[: MAX_CHARACTERS + 1].rpartition(" ")[0]
        if _is_exact(text) and text not in folded:
            folded.append(text)
    return folded[-MAX_PHRASES:]


def ban_grammar(phrases: Sequence[str]) -> str:
    """A GBNF grammar of all texts in which none of ``phrases`` (lower case, single spaces) begins a word.

    A deterministic automaton, one rule a state; any case, any white space, any apostrophe. What follows the phrase does
    not matter: a model that may go on writes "wasnt" where only the whole word "was" is banned.
    """
    alphabet = sorted(set("".join(phrases)))
    start: State = (frozenset(), True)
    names: dict[State, str] = {start: "root"}
    rules: list[str] = []
    waiting = [start]
    while waiting:
        state = waiting.pop()
        groups: dict[State, list[str]] = {}
        for symbol in (*alphabet, _OTHER_WORD, _OTHER_GAP):
            target = _step(phrases, state, symbol)
            if target is not None:
                groups.setdefault(target, []).append(symbol)
        for target in groups:
            if target not in names:
                names[target] = f"s{len(names)}"
                waiting.append(target)
        moves = [f"{_char_class(symbols, alphabet)} {names[target]}" for target, symbols in groups.items()]
        rules.append(f"{names[state]} ::= " + " | ".join(['""', *moves]))
    return "\n".join(rules)


def _step(phrases: Sequence[str], state: State, symbol: str) -> State | None:
    """The state after ``symbol``, or None where a phrase would be complete."""
    read, at_boundary = state
    moved: set[tuple[int, int]] = set()
    for number, phrase in enumerate(phrases):
        places = {place for at, place in read if at == number}
        if at_boundary or not _is_word(phrase[0]):
            places.add(0)
        moved.update((number, place + 1) for place in places if phrase[place] == symbol)
        if (number, len(phrase)) in moved:
            return None
    return frozenset(moved), symbol == _OTHER_GAP or (symbol != _OTHER_WORD and not _is_word(symbol))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _char_class(symbols: Sequence[str], alphabet: Sequence[str]) -> str:
    """The characters behind ``symbols``. What is neither in the alphabet nor ASCII punctuation belongs to a word."""
    known = {symbol: _variants(symbol) for symbol in alphabet}
    gaps = set(_GAPS) - set().union(*known.values())
    if _OTHER_WORD in symbols:
        shut = set().union(*(known[symbol] for symbol in alphabet if symbol not in symbols))
        shut |= set() if _OTHER_GAP in symbols else gaps
        return f"[^{_escaped(shut)}]"
    open_ = set().union(*(known[symbol] for symbol in symbols if symbol in known))
    return f"[{_escaped(open_ | gaps if _OTHER_GAP in symbols else open_)}]"


def _variants(character: str) -> set[str]:
    if character == " ":
        return set(" \t\n\r\u00a0")
    if character == "'":
        return {"'", "\u2019"}
    return {character} | ({character.upper()} if len(character.upper()) == 1 else set())


def _escaped(characters: set[str]) -> str:
    """Escapes of a character class, runs of three or more as ranges: a server walks the class for every character."""
    codes = sorted(map(ord, characters))
    runs: list[tuple[int, int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1] = (runs[-1][0], code)
        else:
            runs.append((code, code))
    return "".join(_escape(a) + (("-" if b > a + 1 else "") + _escape(b) if b > a else "") for a, b in runs)


def _escape(code: int) -> str:
    return f"\\x{code:02X}" if code < 256 else f"\\U{code:08X}"
