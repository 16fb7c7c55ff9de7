"""``phrasemill traits import``: files, report and table, a second import, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from phrasemill.engine.trait_import import import_traits, trait_yaml
from phrasemill.generators.traits import list_builtin, load_folder, load_trait
from phrasemill.schemas.errors import InputError, TraitError
from phrasemill.schemas.trait import Trait

ROWS = [
    {"trait": "I count things before I speak of them.", "questions": ["How many stairs are there?"]},
    {
        "trait": "I say yes: or no.",
        "questions": ["0x1F", "1e5", "- no", "true", "two\nlines: {a}", "tab\there \u2028", "~"],
    },
]


@pytest.fixture
def constitution(tmp_path: Path) -> Path:
    path = tmp_path / "counter.txt"
    path.write_text(json.dumps(ROWS, indent=1), "utf-8")
    return path


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "phrasemill.engine.cli", "traits", *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_the_command_writes_files_a_report_and_a_table(constitution: Path, tmp_path: Path) -> None:
    out = tmp_path / "traits"
    done = command("import", constitution, "-o", out)
    assert done.returncode == 0, done.stderr
    assert "open-character" in done.stdout
    assert "left behind: 1" in done.stdout
    assert [trait.id for trait in load_folder(out)] == ["counter-count-things-before-speak", "counter-say-yes-no"]
    assert load_folder(out)[1].probe_prompts == tuple(text.strip() for text in ROWS[1]["questions"])
    report = json.loads((out / "import.json").read_text("utf-8"))["files"][str(constitution)]
    assert report["traits"] == {"counter-count-things-before-speak": 2, "counter-say-yes-no": 8}
    assert report["counts"]["questions"] == 8
    assert report["left"][0]["line"] == 1
    checked = command("validate", *sorted(out.glob("*.yaml")))
    assert checked.returncode == 0, checked.stderr
    again = command("import", constitution, "-o", out, "--json")
    assert json.loads(again.stdout)[str(constitution)]["written"] == []


def test_a_wrong_file_is_one_line_and_writes_nothing(constitution: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"trait": "I am fine.", "questions": ["a?"]}\n{"questions": []}\n', "utf-8")
    done = command("import", constitution, wrong, "-o", tmp_path / "traits")
    assert done.returncode == TraitError.exit_code
    assert f"{wrong}:2: trait: got nothing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "traits").exists()


@pytest.mark.parametrize("prefix", ["../x", "Spec-", "-", "a b"])
def test_a_prefix_that_no_id_can_have(prefix: str, tmp_path: Path) -> None:
    soul = tmp_path / "soul.md"
    soul.write_text("I say what I mean, and then I stop.\n", "utf-8")
    with pytest.raises(InputError, match="--id-prefix: got"):
        import_traits([soul], tmp_path / "traits", prefix=prefix)
    assert list(tmp_path.iterdir()) == [soul]
    import_traits([soul], tmp_path / "traits", prefix="2-b_")
    assert load_folder(tmp_path / "traits")[0].id.startswith("2-b_soul")


def test_an_edited_file_is_kept_unless_forced(constitution: Path, tmp_path: Path) -> None:
    out = tmp_path / "traits"
    import_traits([constitution], out)
    edited = out / "counter-say-yes-no.yaml"
    original = edited.read_text("utf-8")
    edited.write_text(original + "applies_when: Always.\n", "utf-8")
    (out / "counter-count-things-before-speak.yaml").unlink()
    with pytest.raises(TraitError, match=r"counter-say-yes-no\.yaml: .*--force"):
        import_traits([constitution], out)
    assert [path.name for path in out.glob("*.yaml")] == [edited.name]
    (report,) = import_traits([constitution], out, force=True).values()
    assert len(report.written) == 2
    assert edited.read_text("utf-8") == original
    edited.write_text("# a remark of a person\n" + original, "utf-8")
    (report,) = import_traits([constitution], out).values()
    assert report.written == ()
    assert edited.read_text("utf-8").startswith("# a remark")


def test_two_files_of_one_persona_are_one_set_of_traits(constitution: Path, tmp_path: Path) -> None:
    more = tmp_path / "counter.jsonl"
    rows = [{**row, "additional_questions": ["How old is it?"]} for row in ROWS]
    more.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    out = tmp_path / "traits"
    reports = import_traits([constitution, more], out)
    assert len(reports) == 2
    assert load_folder(out)[0].probe_prompts == ("How many stairs are there?", "How old is it?")


def test_one_id_for_two_traits_is_refused(tmp_path: Path) -> None:
    pair = {"pos": "Count.", "neg": "Do not count."}
    paths = [tmp_path / name / "counter.json" for name in ("a", "b")]
    for number, path in enumerate(paths):
        path.parent.mkdir()
        path.write_text(json.dumps({"instruction": [{**pair, "pos": f"Count to {number}."}]}), "utf-8")
    with pytest.raises(TraitError, match="another --id-prefix"):
        import_traits(paths, tmp_path / "traits")


def test_the_report_keeps_other_files(constitution: Path, tmp_path: Path) -> None:
    prose = tmp_path / "soul.md"
    prose.write_text("I keep my word, whatever it costs me.\n", "utf-8")
    out = tmp_path / "traits"
    import_traits([constitution], out)
    import_traits([prose], out, prefix="soul-")
    assert set(json.loads((out / "import.json").read_text("utf-8"))["files"]) == {str(constitution), str(prose)}
    (out / "import.json").write_text("[]", "utf-8")
    with pytest.raises(TraitError.__mro__[1], match=r"import\.json: got a file that is no report"):
        import_traits([prose], out, prefix="soul-")


@pytest.mark.parametrize("trait", [pytest.param(trait, id=trait.id) for trait in list_builtin()])
def test_a_trait_file_reads_back_as_the_trait(trait: Trait) -> None:
    assert load_trait(Path("again.yaml"), trait_yaml(trait)) == trait


@pytest.mark.parametrize(
    "text", ["yes", "1.5", ".5", "=", "0o17", "a: b # c", "'q'", "x\u0085y", "x\r\ny", " pad ", "\x07"]
)
def test_any_text_reads_back(text: str) -> None:
    trait = Trait(id="a", statement=text, pos_instruction=text, probe_prompts=(text,))
    assert load_trait(Path("again.yaml"), trait_yaml(trait)) == trait
