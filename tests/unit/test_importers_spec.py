"""The importer of model specifications: sections, statements, example blocks and footnotes of a small one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from phrasemill.generators.importers.base import Imported
from phrasemill.generators.importers.formats import import_file
from phrasemill.generators.traits import comparisons
from phrasemill.schemas.errors import TraitError
from phrasemill.schemas.trait import Trait

SPEC = """\
# About {#about}

This part explains[^n1]. It has no rules.

# Rules {#rules authority=root}

Rules come first. The assistant must keep to [the order](#order) of things[^n2].

!!! meta "Commentary"
    Somebody had to decide.

## Order {#order authority=user tags=queue}

The assistant should wait until it is called. See also [?](#rules).

**Example**: a queue with a [rule](#rules)

~~~xml
<system>
You guard the door.
</system>
<developer>
Numbers only.
</developer>
<user>
May I &lt;go&gt; in?
</user>
<comparison>
<assistant> <!-- GOOD -->
Number 12 is next.
</assistant>
<assistant> <!-- BAD[#rules]: lets everyone in -->
Come in!
</assistant>
<assistant> <!-- BAD -->
Come in, because [...]
</assistant>
<assistant> <!-- OK: late -->
Later.
</assistant>
</comparison>
<user>
And now?
</user>
<comparison>
<assistant> <!-- GOOD: patient -->
Number 13 is next.
</assistant>
<assistant> <!-- BAD -->
Now, please.
</assistant>
</comparison>
~~~

After the example, a last rule.

```python
# Not a heading {#nothing}
```

**Example**: asking for a name

~~~xml
<user>
What is [your name]?
</user>
<comparison>
<assistant> <!-- GOOD -->
Guard.
</assistant>
<assistant> <!-- BAD -->
None.
</assistant>
</comparison>
~~~

**Example**: a question

~~~xml
<user>
How long is the queue?
</user>
~~~

**Example**: a tool

~~~xml
<user>
Look it up.
</user>
<assistant recipient="door">
count()
</assistant>
<tool name="door">
11
</tool>
<comparison>
<assistant> <!-- GOOD -->
Eleven.
</assistant>
<assistant> <!-- BAD -->
Many.
</assistant>
</comparison>
~~~

### Silence {#silence authority=guideline}
"""


def line_of(text: str, spec: str = SPEC) -> int:
    """The line of the first place where ``text`` stands."""
    return spec.count("\n", 0, spec.index(text)) + 1


def read(tmp_path: Path, text: str = SPEC) -> Imported:
    path = tmp_path / "spec.md"
    path.write_text(text, "utf-8")
    kind, found = import_file(path)
    assert kind == "model-spec"
    return found


def by_id(found: Imported) -> dict[str, Trait]:
    return {taken.trait.id: taken.trait for taken in found.traits}


def test_sections_with_an_authority_are_traits(tmp_path: Path) -> None:
    found = read(tmp_path)
    traits = by_id(found)
    assert list(traits) == ["rules", "order", "silence"]
    assert [trait.authority for trait in traits.values()] == ["must", "should", "default"]
    heads = [line_of(head) for head in ("# Rules", "## Order", "### Silence")]
    assert [taken.line for taken in found.traits] == heads
    assert traits["order"].applies_when == "The conversation is tagged queue."
    assert traits["order"].source == "spec.md#order, authority=user: Order"
    assert found.counts["headings with ids"] == 4
    left = {(remark.line, remark.item) for remark in found.left}
    assert {(1, "about"), (9, "rules"), (3, "about: [^n1]"), (7, "rules: [^n2]")} <= left


def test_a_statement_is_first_person_only_where_that_is_safe(tmp_path: Path) -> None:
    found = read(tmp_path)
    traits = by_id(found)
    assert traits["rules"].statement == "I must keep to the order of things."
    assert traits["order"].statement == "The assistant should wait until it is called."
    assert traits["silence"].statement == "Silence"
    reasons = {remark.line: remark.reason for remark in found.changed if "statement" in remark.reason}
    assert sorted(reasons) == [line_of("## Order"), line_of("### Silence")]
    assert 'See also "Rules".' in traits["order"].pos_instruction
    assert "# Not a heading {#nothing}" in traits["order"].pos_instruction
    assert "Come in!" not in traits["order"].pos_instruction
    assert "Somebody had to decide" not in traits["rules"].pos_instruction


def test_comparisons_become_pairs_with_their_context(tmp_path: Path) -> None:
    found = read(tmp_path)
    order = by_id(found)["order"]
    pairs = [(good.response, bad.response) for good, bad in comparisons(order)]
    assert pairs == [
        ("Number 12 is next.", "Come in!"),
        ("Number 12 is next.", "Come in, because [...]"),
        ("Number 13 is next.", "Now, please."),
        ("Guard.", "None."),
        ("Eleven.", "Many."),
    ]
    first, second = order.do[:2]
    assert first.prompt == "May I <go> in?"
    assert [(turn.role, turn.content) for turn in first.context] == [("system", "You guard the door.\n\nNumbers only.")]
    assert first.example == "a queue with a rule"
    assert order.dont[0].why == "[#rules] lets everyone in"
    assert [turn.content for turn in second.context[1:]] == ["May I <go> in?", "Number 12 is next."]
    assert (second.prompt, second.why, second.example) == ("And now?", "patient", "a queue with a rule (2)")
    assert found.counts["pairs"] == 5
    assert found.counts["pairs in the first comparison of an example"] == 4
    assert found.counts["whole pairs"] == 2
    assert [remark.line for remark in found.left if "OK" in remark.reason] == [line_of("<assistant> <!-- OK")]


def test_text_that_is_not_whole_is_elided(tmp_path: Path) -> None:
    found = read(tmp_path)
    order = by_id(found)["order"]
    assert [turn.response for turn in order.do if turn.elided] == ["Guard.", "Eleven."]
    assert [turn.response for turn in order.dont if turn.elided] == ["Come in, because [...]", "None.", "Many."]
    reasons = [remark.reason.partition(": ")[2] for remark in found.changed if "elided" in remark.reason]
    assert reasons == ["words left out", "words in brackets that stand for others", "a turn to or from a tool"]


def test_prompts_of_examples_and_footnotes_are_probe_prompts(tmp_path: Path) -> None:
    (tmp_path / "examples").mkdir()
    note = "**Example**: a note\n\n~~~xml\n<user>\nWho is first?\n</user>\n~~~\n"
    (tmp_path / "examples" / "n2.md").write_text(f"Examples:\n\n{note}", "utf-8")
    traits = by_id(read(tmp_path))
    assert traits["rules"].probe_prompts == ("Who is first?",)
    assert traits["order"].probe_prompts == ("How long is the queue?",)


WRONG = [
    pytest.param("{#order authority=user tags=queue}", "{#rules}", "## Order", "got the id 'rules' again", id="id"),
    pytest.param("authority=user", "authority=king", "## Order", "authority: got 'king'", id="authority"),
    pytest.param("{#order authority", "{#order, authority", "## Order", "got 'Order", id="braces"),
    pytest.param(
        "Eleven.\n</assistant>", "Eleven.", "<assistant> <!-- GOOD -->\nEleven", "got <assistant> without", id="tag"
    ),
    pytest.param(
        "<!-- OK: late -->", "<!-- FINE -->", "<assistant> <!-- FINE", "got '<assistant> <!-- FINE -->'", id="label"
    ),
    pytest.param("<user>\nLook", "<human>\nLook", "<human>", "got '<human>'", id="role"),
    pytest.param("</comparison>\n<user>", "<user>", "<user>\nAnd now", "got '<user>' in a comparison", id="comparison"),
    pytest.param("}\n```\n", "}\n", "```python", "got ``` that is never closed", id="fence"),
]


@pytest.mark.parametrize(("old", "new", "at", "said"), WRONG)
def test_a_wrong_specification_names_file_and_line(tmp_path: Path, old: str, new: str, at: str, said: str) -> None:
    assert SPEC.count(old) == 1
    wrong = SPEC.replace(old, new)
    with pytest.raises(TraitError, match=rf"spec\.md:{line_of(at, wrong)}: {re.escape(said)}"):
        read(tmp_path, wrong)
