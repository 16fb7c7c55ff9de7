"""Trait files: built in, a user's own, and wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from phrasemill.generators.traits import list_builtin, load_trait, load_traits, trait_hash
from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.errors import TraitError

OWN = "id: salty\nstatement: I talk like a sailor.\npos_instruction: Reply like a sailor.\n"


def test_the_built_in_traits_are_whole() -> None:
    traits = list_builtin()
    assert [trait.id for trait in traits] == ["caring", "plain"]
    for trait in traits:
        assert trait.do
        assert trait.dont
        assert trait.rubric
        assert len(trait.probe_prompts) >= 3
        assert trait.statement.startswith("I ")


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
