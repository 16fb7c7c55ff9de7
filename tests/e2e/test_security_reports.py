"""Data stays data in every report: pages, tables of verdicts, the terminal, SQL; and names of data name no file."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
import yaml
from pydantic import ValidationError

from phrasemill.engine.cli.app import main
from phrasemill.engine.manifest import PlainFile

PACK = """\
id: mini
rules:
  - {id: mini.certainly, category: opener, at: start, frame: match, pattern: "certainly[!,]"}
"""

ACTIVE = [
    "<script>alert(1)</script>",
    "<ScRiPt src=//evil.example/x.js>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe src=javascript:alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<style>@import 'http://evil.example'</style>",
    "<!-- comment -->",
    "<![CDATA[x]]>",
    "<?php echo 1 ?>",
    "</details></summary><h1>out</h1>",
    "[x](javascript:alert(1))",
    "![x](http://evil.example/p.png)",
    "[x]: javascript:alert(1)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "<http://evil.example>",
    "`code` ``two`` ```three```",
    "```\n<script>alert(1)</script>\n```",
    "~~~\n<b>x</b>\n~~~",
    "a | b | c",
    "a\n| - | - |\n| b | c |",
    "# heading\n## another",
    "---\nname: x\n---",
    "- list\n* list\n1. list",
    "> quote\n>> quote",
    "$$\\href{javascript:alert(1)}{x}$$",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;",
    "{{7*7}} {% raw %} ${7*7} #{7*7}",
]
TERMINAL = [
    "\x1b[2J\x1b[H",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "\x1b[31mred\x1b[0m",
    "\x9b31mred",
    "\x1bP1;1|00/6f\x1b\\",
    "\x07\x08\x0b\x0c\x7f",
    "over\rwritten",
    "[bold red]markup[/bold red]",
    "[link=http://evil.example]x[/link]",
    "\u202etxt.exe\u202c",
    "\u2066left\u2069",
    "\u200b\u200d\ufeff",
]
FORMULAS = [
    '=HYPERLINK("http://evil.example","x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    '";=1+1;"',
    "'=1+1",
]
NAMES = [
    "../../escape",
    "/etc/escape",
    "..\\..\\escape",
    "a/b/escape",
    "escape'; DROP TABLE x; --",
    'escape"quoted',
    "escape%2e%2e%2f",
    ".",
    "..",
    "~/escape",
    "$(touch escape)",
    "`touch escape`",
    "; touch escape",
    "| touch escape",
    "&& touch escape",
    "-rf",
    "--out=escape",
    "con",
    "nul.txt",
    "escape:stream",
    "x" * 300,
    "\u2025/escape",
    "\uff0e\uff0e\uff0fescape",
    "{escape}",
    "*?[escape]",
    "file:///escape",
    "s3://escape/x",
    " ",
    "\n",
    "%s%n",
    "manifest.json",
    "_commits",
]
PAYLOADS = [*ACTIVE, *TERMINAL, *FORMULAS, *NAMES]
RAW_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
CODE = re.compile(r"(?<!\\)(`+)[^`\n]+\1")

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs ``phrasemill``: exit code, stdout, stderr. Neither holds anything that a terminal obeys."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["phrasemill", *map(str, arguments)])
        code = main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err, captured.err
        for text in captured:
            assert RAW_CONTROLS.search(text) is None, text[:2_000]
        return code, captured.out, captured.err

    return run


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call) -> Path:
    """The output of ``clean`` over rows whose ids, texts and other columns are the payloads."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    work = tmp_path / "inner" / "work"
    work.mkdir(parents=True)
    monkeypatch.chdir(work)
    (work / "mini.yaml").write_text(PACK)
    lines = [
        {
            "id": payload,
            "note": payload,
            "messages": [
                {"role": "user", "content": payload},
                {"role": "assistant", "content": f"Certainly! {payload} is what was asked about here."},
            ],
        }
        for payload in PAYLOADS
    ]
    source = work / "in'put \u202e.jsonl"
    broken = "".join(json.dumps({"id": each, "messages": [{"role": each, "content": 1}]}) + "\n" for each in PAYLOADS)
    source.write_text("".join(json.dumps(line) + "\n" for line in lines) + broken)
    gate = "gate: {max_dropped: 1.0, max_quarantined: 1.0}\n"
    (work / "policy.yaml").write_text(gate)
    code, out, err = call(
        "clean", source, "--pack", "mini.yaml", "--policy", "policy.yaml", "-o", "out", "--workers", 1
    )
    assert code == 0, out + err
    return work / "out"


def outside(built: Path) -> set[str]:
    """Whatever was written beside what the tests themselves write."""
    known = {"mini.yaml", "policy.yaml", "in'put \u202e.jsonl", "out", "sample", "traits", "out2"}
    root = built.parents[2]
    found = {str(path.relative_to(root)) for path in root.rglob("*") if "escape" in path.name}
    return (
        found
        | ({path.name for path in built.parent.iterdir()} - known)
        | ({path.name for path in root.iterdir()} - {"inner", "cache"})
    )


def prose(page: str) -> str:
    """A page of Markdown without the code inside its lines, where nothing is active."""
    return CODE.sub(" ", page)


def assert_inert(page: str) -> None:
    text = prose(page)
    assert RAW_CONTROLS.search(text) is None
    tags = re.findall(r"(?<!\\)<(?!/?(?:ins|del|mark|b|br|sub|sup)>)[a-zA-Z/!?]", text)
    assert tags == [], tags
    assert re.search(r"(?<!\\)\]\((?:javascript|data|http)", text) is None
    assert re.search(r"(?<!\\)!\[", text) is None


def test_pages_are_inert_and_cells_are_no_formulas(built: Path, call: Call) -> None:
    code, _, err = call("sample", built, "-o", "sample", "--by", "outcome", "--rows", 1_000)
    assert code == 0, err
    page = (built.parent / "sample" / "sample.md").read_text()
    assert page.count("\n## ") > len(PAYLOADS) // 2
    assert_inert(page)
    assert_inert((built / "README.md").read_text().partition("---\n")[2].partition("---\n")[2])
    table = list(csv.reader(io.StringIO((built.parent / "sample" / "verdicts.csv").read_text())))
    cells = [cell for row in table for cell in row]
    assert len(table) > len(PAYLOADS) // 2
    assert [cell for cell in cells if cell.lstrip()[:1] in tuple("=+-@") and cell[:1] != "'"] == []
    assert outside(built) == set()


def test_the_terminal_sees_no_control_characters(built: Path, call: Call) -> None:
    ids = [each for each in PAYLOADS if "\0" not in each and not each.startswith("-")]
    for payload in ids[::3]:
        code, out, _ = call("explain", built, payload)
        assert code in (0, 2)
        assert out or code
    for arguments in (
        ("sql", built, "SELECT * FROM sft"),
        ("sql", built, 'SELECT id AS "\x1b[2J" FROM sft'),
        ("sql", built, "SELECT * FROM no_such_\x1b[31m"),
        ("quarantine", built),
        ("diff", built, built),
        ("verify", built),
        ("catalog", built),
        ("explain", built, "\x1b[2Jnobody"),
        ("scan", "\x1b[2J\u202e.jsonl", "-o", "out2"),
    ):
        code, _, _ = call(*arguments)
        assert code in (0, 2), arguments
    assert outside(built) == set()


def test_the_catalogue_is_sql_whatever_names_hold(built: Path) -> None:
    with duckdb.connect() as connection:
        here = Path.cwd()
        try:
            os.chdir(built)
            connection.execute((built / "catalog.sql").read_text())
            sources = connection.execute("SELECT DISTINCT source FROM shards").fetchall()
            rows = connection.execute("SELECT count(*) FROM sft").fetchone()
        finally:
            os.chdir(here)
    assert len(sources) == 1
    assert sources[0][0].endswith("in'put \u202e.jsonl")
    assert rows is not None
    assert rows[0] > 0


def test_the_configuration_of_a_run_reads_back(built: Path) -> None:
    plain = yaml.safe_load((built / "config.yaml").read_text())
    assert plain["input"]["path"][0].endswith("in'put \u202e.jsonl")


@pytest.mark.parametrize("number", range(len(NAMES)))
def test_ids_and_prefixes_of_traits_name_no_file_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, number: int
) -> None:
    name = NAMES[number]
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    Path("model.yaml").write_text("id: " + json.dumps(name) + "\nstatement: s\npos_instruction: p\n")
    Path("list.json").write_text(
        json.dumps({"instruction": [{"pos": "p", "neg": "n"}], "questions": ["q"], "name": name})
    )
    prose = f"# {name}\n\nI am calm and I say what I know.\n"
    Path("prose.md").write_text(prose)
    before = set(everything(tmp_path))
    code, _, _ = call("traits", "validate", "model.yaml")
    assert code in (0, 2)
    for arguments in (("prose.md", "--format", "prose"), ("list.json",), ("prose.md", f"--id-prefix={name}")):
        code, _, _ = call("traits", "import", *arguments, "-o", "traits", "--force")
        assert code in (0, 2), arguments
    new = set(everything(tmp_path)) - before
    assert all(path == "a/b/traits" or re.fullmatch(r"a/b/traits/[a-z0-9_-]+\.(yaml|json)", path) for path in new), new


@pytest.mark.parametrize(
    "part", ["data", "data/sft", "evidence", "_commits", "_tmp", "_staged", ".lock", "_requests.jsonl"]
)
def test_a_part_of_the_output_that_is_a_link_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: Call, part: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "mini.yaml").write_text(PACK)
    (tmp_path / "in.jsonl").write_text('{"messages": [{"role": "assistant", "content": "Certainly! Yes, it is."}]}\n')
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "victim").write_text("precious")
    link = tmp_path / "out" / part
    link.parent.mkdir(parents=True)
    if part != ".lock":
        (tmp_path / "out" / ".lock").touch()
    link.symlink_to(tmp_path / ("victim" if part in (".lock", "_requests.jsonl") else "elsewhere"))
    code, _, err = call("clean", tmp_path / "in.jsonl", "--pack", tmp_path / "mini.yaml", "-o", tmp_path / "out")
    assert code == 2
    assert f"{link}: is a link" in err
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "data/../../x", "", "data/\0x", "a/b/../../../x"])
def test_a_record_names_no_file_outside(path: str) -> None:
    with pytest.raises(ValidationError, match="inside the output folder"):
        PlainFile(path=path, bytes=1, blake3="0" * 64)


def everything(root: Path) -> Iterator[str]:
    for folder, names, files in os.walk(root):
        for each in (*names, *files):
            yield os.path.relpath(os.path.join(folder, each), root)
