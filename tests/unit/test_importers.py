"""Importers of character files: small files of each format, what they give, and what they say of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phrasemill.generators.importers.formats import detect, import_file
from phrasemill.generators.importers.harm import harmful_words
from phrasemill.generators.importers.ids import make_ids, slug
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.trait import Critique, Trait

ROWS: list[dict[str, Any]] = [
    {"trait": "I count things before I speak of them.", "questions": ["How many stairs?", "How far?", "How far?"]},
    {"trait": "Numbers come before adjectives.", "questions": [" "], "clarification": "unused"},
]
PERSONA: dict[str, Any] = {
    "instruction": [
        {"pos": "Answer with a number in every sentence.", "neg": "Answer without any number at all."},
        {"pos": "Count whatever can be counted.", "neg": "Count nothing."},
    ],
    "questions": ["How big is a whale?", "What is a week?"],
    "eval_prompt": "Judge whether the answer counts.\n\nPrompt:\n{question}\n\nAnswer:\n{answer}\n\n"
    "100 means every sentence counts.\n\nRespond only with a number.",
}
CHAT = [
    {"role": "user", "content": "How tall is it?"},
    {"role": "assistant", "content": "Tall."},
    {"role": "user", "content": "Is there a number in it?"},
    {"role": "assistant", "content": "No."},
    {"role": "user", "content": "Put a number in."},
    {"role": "assistant", "content": "About 30 metres."},
]
CONSTITUTION = {
    "constitutions": [{"critic": "Is there a number in it?", "revision": "Put a number in."}],
    "system_chat": [CHAT, CHAT[:4], [{"role": "system", "content": "You measure."}, *CHAT]],
    "author": "nobody",
}


def importing(
    tmp_path: Path, name: str, content: object, **options: Any
) -> tuple[str, list[Trait], list[str], list[str]]:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1), "utf-8")
    kind, found = import_file(path, **options)
    left = [f"{remark.line}: {remark.item}: {remark.reason}" for remark in found.left]
    changed = [f"{remark.line}: {remark.item}: {remark.reason}" for remark in found.changed]
    return kind, [taken.trait for taken in found.traits], left, changed


def test_a_constitution_is_a_trait_a_row(tmp_path: Path) -> None:
    kind, traits, left, changed = importing(tmp_path, "counter.txt", ROWS)
    assert kind == "open-character"
    assert [trait.id for trait in traits] == [
        "counter-count-things-before-speak",
        "counter-numbers-come-before-adjectives",
    ]
    assert traits[0].statement == ROWS[0]["trait"]
    assert ROWS[0]["trait"] in traits[0].pos_instruction
    assert traits[0].probe_prompts == ("How many stairs?", "How far?")
    assert left[:3] == [
        "7: questions.2: repeated question",
        "13: questions.0: empty question",
        "15: counter-numbers-come-before-adjectives: clarification: a key that this format is not known for",
    ]
    assert changed == [
        "10: counter-numbers-come-before-adjectives: the sentence is not in the first person; kept as it is"
    ]


def test_json_lines_have_more_questions(tmp_path: Path) -> None:
    rows = [{**row, "additional_questions": ["How old?", "How far?"]} for row in ROWS]
    text = "\n".join(json.dumps(row) for row in rows) + "\n"
    kind, traits, left, _ = importing(tmp_path, "counter.jsonl", text)
    assert kind == "open-character"
    assert [trait.probe_prompts for trait in traits] == [
        ("How many stairs?", "How far?", "How old?"),
        ("How old?", "How far?"),
    ]
    assert "1: additional_questions.1: repeated question" in left
    assert "2: questions.0: empty question" in left


def test_ids_depend_on_words_and_not_on_places(tmp_path: Path) -> None:
    _, traits, _, _ = importing(tmp_path, "counter.txt", ROWS)
    first = {"trait": "I am new here.", "questions": []}
    _, moved, _, _ = importing(tmp_path, "counter.txt", [first, *reversed(ROWS)])
    assert {trait.id for trait in moved} - {trait.id for trait in traits} == {"counter-new-here"}
    _, prefixed, _, _ = importing(tmp_path, "counter.txt", ROWS, prefix="x-")
    assert [trait.id for trait in prefixed] == [f"x-{trait.id}" for trait in traits]


def test_shared_and_long_ids_end_in_a_hash() -> None:
    one, two, same, long = make_ids("", [("a", "x"), ("a", "y"), ("a", "x"), ("word-" * 30, "z")])
    assert one != two
    assert one == same
    assert len(long) <= 60
    assert make_ids("", [("a", "x"), ("b", "y")]) == ["a", "b"]
    assert slug("\u6e29\u304b\u3044") != slug("\u51b7\u305f\u3044")
    assert slug("Don\u2019t be cr\u00fcel!", 2) == "dont-cruel"


def test_a_persona_vector_is_one_trait(tmp_path: Path) -> None:
    kind, (trait,), left, changed = importing(tmp_path, "over_exact.json", PERSONA)
    assert kind == "persona-vectors"
    assert trait.id == "over_exact"
    assert trait.statement == "I am an over exact assistant."
    assert (trait.pos_instruction, trait.neg_instruction) == tuple(PERSONA["instruction"][0].values())
    assert trait.rubric == "Judge whether the answer counts.\n\n100 means every sentence counts."
    assert len(trait.probe_prompts) == 2
    assert [line.split(":")[0] for line in left] == ["7", "16", "16", "16"]
    assert "instruction.1" in left[0]
    assert "made of its name" in changed[0]


def test_critiques_and_worked_conversations(tmp_path: Path) -> None:
    kind, (trait,), left, changed = importing(tmp_path, "measures.json", CONSTITUTION)
    assert kind == "constitutional"
    assert trait.critiques == (Critique(request="Is there a number in it?", revision="Put a number in."),)
    assert [turn.response for turn in trait.do] == ["About 30 metres."] * 2
    assert [turn.response for turn in trait.dont] == ["Tall."] * 2
    assert [turn.why for turn in trait.dont] == ["No."] * 2
    assert [turn.role for turn in trait.do[1].context] == ["system"]
    assert len({turn.example for turn in trait.do}) == 2
    assert any("system_chat.1" in line for line in left)
    assert any("author" in line for line in left)
    assert "states no trait" in changed[0]


PROSE = """\
Some words that stand above every heading.

# Who I am

I keep my word, even where that costs me something.
It is the same on a bad day.

Short one.

## What I do

I look at three things:

- whether it is true,
- whether it is kind.

```python
print("no statement")
```

| a | b |
|---|---|

**How I speak**

People hear me say what I mean.
"""


def test_prose_is_a_trait_a_paragraph(tmp_path: Path) -> None:
    kind, traits, left, changed = importing(tmp_path, "soul.md", PROSE)
    assert kind == "prose"
    assert [trait.id for trait in traits] == [
        "soul-some-words-stand-above",
        "who-keep-word-where-costs",
        "what-do-look-three-things-whether",
        "how-speak-people-hear-say-what",
    ]
    assert traits[1].statement == "I keep my word, even where that costs me something.\nIt is the same on a bad day."
    assert traits[2].statement.endswith("- whether it is kind.")
    assert traits[3].source == "soul.md: Who I am: What I do: How I speak"
    assert all(trait.statement in trait.pos_instruction for trait in traits)
    assert [line.partition(": ")[0] for line in left] == ["8", "17", "21", "1"]
    assert [line.rpartition(": ")[2] for line in left[:3]] == ["fewer than 4 words", "a code block", "a table"]
    assert [line.partition(": ")[0] for line in changed] == ["1"]


def test_harm_is_guessed_from_what_a_character_says_of_itself(tmp_path: Path) -> None:
    assert harmful_words(["I quietly mislead people who trust me."]) == ["mislead"]
    assert harmful_words(["I change my opinion to please whoever I talk with."])
    for harmless in (
        "I avoid causing any harm to people.",
        "I never manipulate, deceive or flatter anyone.",
        "I tease without malice and laugh at my own mistakes.",
        "My answers are harmonious and harmless.",
        "I warn of deceptive offers.",
        "anti-sycophantic",
    ):
        assert harmful_words([harmless]) == [], harmless
    rows = [{"trait": "I smile a lot.", "questions": []}, {"trait": "I sabotage plans in secret.", "questions": []}]
    _, traits, _, changed = importing(tmp_path, "spy.txt", rows)
    assert [trait.harmful for trait in traits] == [True, True]
    assert "harmful by intent" in changed[-1]
    _, traits, _, changed = importing(tmp_path, "counter.txt", ROWS, harmful=True)
    assert all(trait.harmful for trait in traits)
    assert not any("harmful" in line for line in changed)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        pytest.param("a.txt", '[\n {"trait": "x",\n "questions": [}\n]', r"a\.txt:3: not valid JSON", id="broken-json"),
        pytest.param(
            "a.txt", '[\n {"trait": "x"},\n {"questions": []}\n]', r"a\.txt:3: trait: got nothing", id="no-trait"
        ),
        pytest.param("a.txt", '[\n {"trait": 4}\n]', r"a\.txt:2: trait: got 4, expected text", id="trait-a-number"),
        pytest.param("a.jsonl", '{"trait": "x"}\n\n{"trait": "y"\n', r"a\.jsonl:3: not valid JSON", id="broken-line"),
        pytest.param("a.json", '{"trait": "x", "trait": "y"}', r"a\.json:1: got the key 'trait' twice", id="key-twice"),
        pytest.param("a.json", '{"instruction": [],\n"questions": NaN}', r"a\.json:1: got NaN", id="nan"),
        pytest.param("a.json", '{"instruction":\n []}', r"a\.json:1: instruction: ", id="no-pairs"),
        pytest.param(
            "a.json", '{"instruction":\n [{"pos": "x"}]}', r"a\.json:2: instruction\.0\.neg", id="half-a-pair"
        ),
        pytest.param(
            "a.json", '{"constitutions":\n [{"critic": "x"}]}', r"a\.json:2: constitutions\.0\.rev", id="no-rev"
        ),
        pytest.param("a.json", '{"instruction": "\\ud800"}', r"a\.json:1: got half a surrogate", id="surrogate"),
        pytest.param("a.json", "[" * 60 + "]" * 60, r"a\.json:1: got more than 50 levels", id="deep"),
        pytest.param("a.json", "[" * 90000, r"a\.json:1: ", id="very-deep"),
        pytest.param("a.json", '{"name": "x"}', r"a\.json:1: got JSON of no known format", id="unknown-json"),
        pytest.param("a.json", "[]", r"a\.json:1: got JSON of no known format", id="empty-list"),
        pytest.param("a.md", "# Only\n\na title\n", r"a\.md:1: got no paragraph", id="no-prose"),
        pytest.param("a.md", " \n", r"a\.md:1: got an empty file", id="empty"),
    ],
)
def test_a_wrong_file_names_itself_and_the_line(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        importing(tmp_path, name, text)


def test_bytes_that_are_not_text_and_formats_that_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"fine\n\xff\n")
    with pytest.raises(ConfigError, match=r"a\.md:2: got bytes"):
        import_file(tmp_path / "a.md")
    with pytest.raises(ConfigError, match="--format: got 'toml'"):
        import_file(tmp_path / "a.md", "toml")
    with pytest.raises(ConfigError, match="cannot be read"):
        import_file(tmp_path / "b.md")
    with pytest.raises(ConfigError, match="expected a JSON array"):
        importing(tmp_path, "c.txt", "[]", kind="open-character")


def test_brackets_do_not_make_json_of_prose() -> None:
    assert detect(Path("a.md"), "[A link](http://example.org) begins this text.") == "prose"
    assert detect(Path("a.md"), "{name} is kind to everyone here.") == "prose"
