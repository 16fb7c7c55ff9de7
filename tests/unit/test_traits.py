"""Trait files: built in, a user's own, and wrong ones."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phrasemill.filters.examples import conversations
from phrasemill.filters.regex import RegexFilter
from phrasemill.generators.traits import (
    check_harmful,
    comparisons,
    list_builtin,
    load_folder,
    load_trait,
    load_traits,
    trait_hash,
)
from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import ContextTurn, Trait, Turn

OWN = "id: salty\nstatement: I talk like a sailor.\npos_instruction: Reply like a sailor.\n"


BUILTIN = list_builtin()


def test_the_built_in_traits_are_all_there() -> None:
    assert [trait.id for trait in BUILTIN] == ["caring", "casual", "plain", "poetic", "protective", "sarcastic"]


@pytest.mark.parametrize("trait", [pytest.param(trait, id=trait.id) for trait in BUILTIN])
def test_a_built_in_trait_is_whole(trait: Trait) -> None:
    assert trait.statement.startswith("I ")
    assert trait.applies_when
    assert trait.rubric.startswith("100:")
    assert "50:" in trait.rubric
    assert "0:" in trait.rubric
    pairs = comparisons(trait)
    assert len(pairs) >= 3
    assert {good.example for good, _ in pairs} == {turn.example for turn in (*trait.do, *trait.dont)}
    assert all(good.prompt == bad.prompt for good, bad in pairs)
    assert all(turn.why for turn in (*trait.do, *trait.dont))


@pytest.mark.parametrize("trait", [pytest.param(trait, id=trait.id) for trait in BUILTIN])
def test_a_built_in_trait_asks_the_same_length_of_both_sides(trait: Trait) -> None:
    sides = len(trait.pos_instruction.split()), len(trait.neg_instruction.split())
    assert max(sides) <= 1.15 * min(sides)
    good, bad = (sum(len(turn.response.split()) for turn in turns) for turns in (trait.do, trait.dont))
    assert max(good, bad) <= 1.15 * min(good, bad)
    for instruction in (trait.pos_instruction, trait.neg_instruction):
        assert not {"short", "shorter", "brief", "briefly", "long", "longer", "concise"} & set(instruction.split())


@pytest.mark.parametrize("trait", [pytest.param(trait, id=trait.id) for trait in BUILTIN])
def test_a_built_in_trait_probes_all_lengths(trait: Trait) -> None:
    words = [len(prompt.split()) for prompt in trait.probe_prompts]
    assert len(set(trait.probe_prompts)) >= 12
    assert sum(count <= 15 for count in words) >= 3
    assert sum(16 <= count <= 40 for count in words) >= 3
    assert sum(count >= 41 for count in words) >= 2


@pytest.mark.parametrize("trait", [pytest.param(trait, id=trait.id) for trait in BUILTIN])
def test_the_good_answers_of_a_built_in_trait_keep_its_own_rules(trait: Trait) -> None:
    for turn in trait.do:
        text = turn.response.casefold()
        assert [phrase for phrase in trait.phrases.ban if phrase.casefold() in text] == []
        for limit in trait.phrases.limit:
            assert len(re.findall(limit.pattern, text)) <= 1, limit.pattern


def test_the_good_answers_of_built_in_traits_have_no_tics() -> None:
    packs = RegexFilter(packs=("core-en",))
    good = [(turn.prompt, turn.response) for trait in BUILTIN for turn in trait.do]
    bad = [(turn.prompt, turn.response) for trait in BUILTIN for turn in trait.dont]
    assert [hit.rule_id for hit in packs.find_batch(conversations(good))] == []
    assert len(packs.find_batch(conversations(bad))) >= 5


def test_own_traits_stand_beside_the_built_in_ones_and_before_them(tmp_path: Path) -> None:
    folder = tmp_path / "traits"
    folder.mkdir()
    (folder / "salty.yaml").write_text(OWN)
    (folder / "mine.yml").write_text(OWN.replace("salty", "plain"))
    salty, plain, caring = load_traits(TraitsConfig(use=("salty", "plain", "caring"), dir="traits"), tmp_path)
    assert (salty.id, plain.pos_instruction, caring.id) == ("salty", "Reply like a sailor.", "caring")


def test_the_hash_is_of_the_content() -> None:
    one = load_trait(Path("a.yaml"), OWN)
    same = load_trait(Path("b.yaml"), "# a comment\n" + "\n".join(reversed(OWN.splitlines())) + "\n")
    other = load_trait(Path("a.yaml"), OWN.replace("sailor.\n", "pirate.\n", 1))
    assert trait_hash(one) == trait_hash(same)
    assert trait_hash(one) != trait_hash(other)
    assert len(trait_hash(one)) == 64


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(OWN + "voice: loud\n", r"bad\.yaml:4: .*voice", id="unknown-key"),
        pytest.param("id: x\nstatement: I am.\n", r"bad\.yaml:.*pos_instruction", id="missing-key"),
        pytest.param(OWN + "authority: maybe\n", r"bad\.yaml:4: authority", id="wrong-value"),
        pytest.param(
            OWN + "phrases:\n  limit:\n    - {pattern: '(?=x)', max_per_1k: 1}\n", r"bad\.yaml:6: .*linear", id="re2"
        ),
        pytest.param("id: [x\n", r"bad\.yaml:2: not valid YAML", id="not-yaml"),
        pytest.param("", r"bad\.yaml:1: got an empty file", id="empty"),
    ],
)
def test_a_wrong_file_names_itself_and_the_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(TraitError, match=said):
        load_trait(path)


def test_wrong_names_and_folders(tmp_path: Path) -> None:
    with pytest.raises(TraitError, match="did you mean 'plain'"):
        load_traits(TraitsConfig(use=("plian",)))
    with pytest.raises(TraitError, match="no such folder"):
        load_traits(TraitsConfig(dir="nowhere"), tmp_path)
    (tmp_path / "a.yaml").write_text(OWN)
    (tmp_path / "b.yaml").write_text(OWN)
    with pytest.raises(TraitError, match="ids must differ"):
        load_traits(TraitsConfig(dir="."), tmp_path)


def test_a_folder_is_read_by_id(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(OWN)
    (tmp_path / "b.yml").write_text(OWN.replace("salty", "frank"))
    (tmp_path / "import.json").write_text("{}")
    assert [trait.id for trait in load_folder(tmp_path)] == ["frank", "salty"]
    with pytest.raises(TraitError, match="no such folder"):
        load_folder(tmp_path / "nowhere")


def test_a_harmful_trait_is_used_only_by_name(tmp_path: Path) -> None:
    (tmp_path / "salty.yaml").write_text(OWN + "harmful: true\n")
    with pytest.raises(TraitError, match=r"traits\.allow_harmful: .*salty"):
        load_traits(TraitsConfig(use=("plain", "salty"), dir="."), tmp_path)
    allowed = TraitsConfig(use=("plain", "salty"), dir=".", allow_harmful=("salty",))
    assert [trait.id for trait in load_traits(allowed, tmp_path)] == ["plain", "salty"]
    (salty,) = load_folder(tmp_path)
    with pytest.raises(TraitError, match="salty"):
        check_harmful([salty], ["plain"])
    check_harmful([salty], ["salty"])
    assert load_traits(TraitsConfig(dir="."), tmp_path)[0].id == "plain"


def test_a_key_at_its_default_is_not_in_the_hash() -> None:
    spelled = OWN + "harmful: false\nversion: 1\nauthority: default\nphrases: {ban: []}\ncritiques: []\n"
    bare = trait_hash(load_trait(Path("a.yaml"), OWN))
    assert trait_hash(load_trait(Path("a.yaml"), spelled)) == bare
    for line in ("harmful: true", "roleplay: true", "version: 2", "do: [{prompt: a, response: b}]"):
        assert trait_hash(load_trait(Path("a.yaml"), f"{OWN}{line}\n")) != bare


def test_comparisons_pair_by_example_and_else_by_conversation() -> None:
    system = (ContextTurn(role="system", content="Be a pirate."),)
    trait = load_trait(Path("a.yaml"), OWN).model_copy(
        update={
            "do": (
                Turn(prompt="a", response="named", example="one"),
                Turn(prompt="b", response="alike"),
                Turn(prompt="b", response="with context", context=system),
                Turn(prompt="c", response="alone"),
            ),
            "dont": (
                Turn(prompt="b", response="bad b"),
                Turn(prompt="other words", response="bad one", example="one", elided=True),
                Turn(prompt="a", response="unnamed"),
                Turn(prompt="other words", response="bad one again", example="one"),
            ),
        }
    )
    assert [(good.response, bad.response) for good, bad in comparisons(trait)] == [
        ("named", "bad one"),
        ("named", "bad one again"),
        ("alike", "bad b"),
    ]
