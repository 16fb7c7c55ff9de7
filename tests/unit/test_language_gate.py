"""Packs of several languages: the language of a turn decides which of them hold in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasemill.filters.detect import _model
from phrasemill.filters.examples import conversations
from phrasemill.filters.regex import RegexFilter

SPANISH = (
    "El puerto abre a las seis y los barcos salen una hora después, cuando la marea lo permite. "
    "Certainly! escribió el capitán en la pizarra. As an AI language model, I cannot sail, ponía debajo."
)
ENGLISH = (
    "The harbour opens at six, and the boats that have a permit leave with the tide. "
    "Como modelo de lenguaje, no puedo navegar was written on the board. I hope this helps!"
)


def _rules(regex: RegexFilter, *texts: str) -> list[list[str]]:
    found: list[list[str]] = [[] for _ in texts]
    for hit in regex.find_batch(conversations([("", text) for text in texts])):
        found[hit.at].append(hit.rule_id)
    return found


def _pack(folder: Path, name: str, language: str, phrase: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"id: {name}\nlanguage: {language}\nrules:\n"
        f"  - id: slop.{name}\n    category: slop\n    phrases: ['{phrase}']\n",
        encoding="utf-8",
    )
    return str(path)


def test_rules_hold_in_turns_of_their_language() -> None:
    spanish, english = _rules(RegexFilter(packs=("core-en", "core-es")), SPANISH, ENGLISH)
    assert spanish == []
    assert english == ["closer.hope"]


def test_rules_of_one_language_hold_everywhere() -> None:
    assert _rules(RegexFilter(packs=("core-es",)), ENGLISH) == [["ai_self_reference.es_as_ai"]]
    (spanish,) = _rules(RegexFilter(packs=("core-en",)), SPANISH)
    assert "ai_self_reference" in " ".join(spanish)


def test_opener_of_two_languages_is_found_in_either() -> None:
    texts = (
        "Claro! Um eclipse acontece quando um astro entra na sombra de outro, e não é coisa rara.",
        "¡Claro! Un eclipse ocurre cuando un astro entra en la sombra de otro, y no es cosa rara.",
    )
    found = _rules(RegexFilter(packs=("core-en", "core-es", "core-pt")), *texts)
    assert found == [["opener.pt_affirm"], ["opener.es_affirm"]]


def test_turn_whose_language_is_unsure_is_open_to_every_rule() -> None:
    found = _rules(RegexFilter(packs=("core-en", "core-es")), "Sure! 1, 2, 3.", "¡Claro! 1, 2, 3.")
    assert found == [["opener.affirm"], ["opener.es_affirm"]]


def test_pack_of_any_language_holds_everywhere_and_once(tmp_path: Path) -> None:
    packs = ("core-en", "core-es", _pack(tmp_path, "house", "any", "language"))
    regex = RegexFilter(packs=packs)
    found = regex.find_each(conversations([("", SPANISH)]))
    assert [hit.rule_id for hit in found] == ["slop.house"]


def test_language_is_not_detected_for_rules_of_one_language(tmp_path: Path) -> None:
    _model.cache_clear()
    _rules(RegexFilter(packs=("core-es", _pack(tmp_path, "house", "any", "puerto"))), SPANISH)
    assert _model.cache_info().currsize == 0


@pytest.mark.parametrize("code", ["es", "de"])
def test_turn_in_a_third_language_keeps_no_hit(code: str, tmp_path: Path) -> None:
    packs = (_pack(tmp_path, "first", code, "harbour"), _pack(tmp_path, "second", "it", "boats"))
    assert _rules(RegexFilter(packs=packs), ENGLISH) == [[]]
