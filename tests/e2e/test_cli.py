"""The command line as a user meets it: a process, its exit code, what it prints and what it leaves."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.engine.cli import main
from phrasemill.engine.folder import locked

ANSWERS = (
    "Certainly! The kettle boils in about three minutes on a full flame.",
    "The ferry leaves at nine and comes back at noon.",
    "Plums keep for a week in a cool cellar.",
    "I am ChatGPT, a large language model made by OpenAI.",
    "Two coats of paint are enough for a garden bench.",
    "Salt the water first, then add the pasta and stir once.",
)


PACK = """
id: own
rules:
  - id: own.certainly
    category: opener
    at: start
    frame: match
    pattern: 'certainly[!.]'
    examples:
      hit:
        - {text: "Certainly! The bus is late again today.", cut: "The bus is late again today."}
        - "Certainly. Your parcel came this morning."
      miss: ["Say certainly and wait.", "The bus is late."]
  - id: own.name
    category: identity_leak
    pattern: 'I am ChatGPT'
    examples:
      hit: ["I am ChatGPT, at your service.", "Hello, I am ChatGPT."]
      miss: ["I am Ada.", "ChatGPT is a product."]
"""
"""A pack of two rules: what is tested here is the command line, and large packs take seconds to compile."""


class Said(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


def process(*args: str | Path, code: int = 0) -> Said:
    """Run a command as a process of its own; it must end with ``code`` and never with a traceback."""
    command = [sys.executable, "-m", "phrasemill.engine.cli", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    return checked(done.returncode, code, Said(done.stdout, done.stderr))


def phrasemill(*args: str | Path, code: int = 0, cwd: Path | None = None) -> Said:
    """Run a command in this process, where everything is loaded already; otherwise as ``process``."""
    with (
        redirect_stdout(io.StringIO()) as stdout,
        redirect_stderr(io.StringIO()) as stderr,
        chdir(cwd or "."),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "argv", ["phrasemill", *map(str, args)])
        ended = main()
    return checked(ended, code, Said(stdout.getvalue(), stderr.getvalue()))


def checked(ended: int, code: int, said: Said) -> Said:
    """What was said, if the command ended as expected."""
    assert ended == code, said.stdout + said.stderr
    assert "Traceback" not in said.stderr
    return said


def answered(*args: str | Path, code: int = 0) -> Any:
    """What the command prints with ``--json``."""
    return json.loads(phrasemill(*args, "--json", code=code).stdout)


def write_rows(path: Path, answers: tuple[str | None, ...]) -> Path:
    """Write conversations of one exchange as Parquet, with ids ``row-0`` and so on; None is a row without an answer."""
    user = {"role": "user", "content": "Tell me something useful."}
    rows = [
        {
            "id": f"row-{at}",
            "messages": [user] if answer is None else [user, {"role": "assistant", "content": answer}],
        }
        for at, answer in enumerate(answers)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``in.parquet``, ``config.yaml`` and what clean made of them in ``out``."""
    home = tmp_path_factory.mktemp("cli")
    write_rows(home / "in.parquet", ANSWERS)
    (home / "own.yaml").write_text(PACK, "utf-8")
    (home / "config.yaml").write_text("input: {path: in.parquet}\npacks: [own.yaml]\n", "utf-8")
    done = process("clean", home / "in.parquet", "-o", home / "out", "--json", "--pack", home / "own.yaml")
    (home / "clean.json").write_text(done.stdout, "utf-8")
    return home


def test_help_and_version_name_every_command() -> None:
    text = process("--help").stdout
    for name in ("init", "validate", "plan", "run", "scan", "clean", "explain", "verify", "quarantine", "rules"):
        assert f"  {name} " in text
    assert process("--version").stdout.startswith("phrasemill ")
    assert "No such command" in process("mend", code=2).stderr


def test_clean_accounts_for_every_row(folder: Path) -> None:
    said = json.loads((folder / "clean.json").read_text())
    assert said["rows_in"] == len(ANSWERS) == sum(said["outcomes"].values())
    assert said["outcomes"]["repaired"] == 1
    assert said["reasons"] == {"needs_model": 1}
    assert said["shards_done"] == 1
    assert said["rows_per_second"] > 0
    assert said["peak_rss_mb"] > 0
    assert said["model"]["sent"] == 0


def test_a_finished_folder_answers(folder: Path) -> None:
    out = folder / "out"
    assert phrasemill("verify", out).stdout.startswith("ok: 1 shards")
    (span,) = answered("sql", out, "SELECT row_id, text FROM spans WHERE category = 'opener'")
    assert span["row_id"] == "row-0"
    assert ANSWERS[0].startswith(span["text"])
    table = phrasemill("sql", out, "SELECT row_id, reasons FROM verdicts WHERE outcome = 'dropped'", "--csv").stdout
    assert table.startswith('row_id,reasons\nrow-3,"[""needs_model""')
    explained = phrasemill("explain", out, "row-0").stdout
    assert ANSWERS[0] in explained
    assert "\nThe kettle boils" in explained
    assert "got 1 statements" in phrasemill("sql", out, "DROP VIEW spans", code=2).stderr
    assert "no row has the id 'row-9'" in phrasemill("explain", out, "row-9", code=2).stderr


def test_catalog_is_written_anew(folder: Path) -> None:
    catalog = folder / "out" / "catalog.sql"
    before = catalog.read_text()
    catalog.unlink()
    assert "openers" in phrasemill("catalog", folder / "out").stdout
    assert catalog.read_text() == before


def test_scan_of_the_result_finds_nothing_to_do(folder: Path) -> None:
    out = folder / "out"
    done = phrasemill("scan", out / "data" / "sft", "-o", folder / "again", "--policy", out / "config.yaml")
    assert "the policy would act on no hit" in done.stdout
    assert done.stderr == ""
    said = answered("scan", folder / "in.parquet", "-o", folder / "found", "--policy", out / "config.yaml")
    assert said["hits"]["opener"]["acted"] == 1
    assert (
        phrasemill(
            "scan", folder / "in.parquet", "-o", folder / "bare", "--pack", folder / "own.yaml", "--quiet"
        ).stdout
        == ""
    )
    assert answered("sql", folder / "bare", "SELECT count(action) AS n FROM spans") == [{"n": 0}]


def test_plan_and_validate(folder: Path) -> None:
    expected = answered("plan", folder / "config.yaml")
    assert expected["rows"] == expected["sample_rows"] == len(ANSWERS)
    assert expected["model_rows"] == expected["requests"] == 1
    assert expected["requests_at_most"] == 3
    assert expected["model_hours"] is None
    assert [source["shards"] for source in expected["sources"]] == [1]
    assert "shape" in phrasemill("validate", folder / "config.yaml").stdout
    bad = folder / "bad.yaml"
    bad.write_text("input: {path: in.parquet}\npacks: [own.yaml]\npolicy: {actions: {openr: tag}}\n", "utf-8")
    assert "did you mean 'opener'?" in phrasemill("validate", bad, code=2).stderr


def test_init_writes_a_configuration_that_holds(tmp_path: Path) -> None:
    phrasemill("init", cwd=tmp_path)
    (tmp_path / "data").mkdir()
    write_rows(tmp_path / "data" / "a.parquet", ANSWERS[:2])
    assert "ok: config.yaml" in phrasemill("validate", "config.yaml", cwd=tmp_path).stdout
    assert "ok" in phrasemill("traits", "validate", tmp_path / "traits" / "example.yaml").stdout
    assert "already there" in phrasemill("init", tmp_path, code=2).stderr


def test_a_failed_gate_still_tells_everything(tmp_path: Path) -> None:
    source = write_rows(tmp_path / "in.parquet", (ANSWERS[1], None))
    (tmp_path / "own.yaml").write_text(PACK, "utf-8")
    done = process("clean", source, "-o", tmp_path / "out", "--pack", tmp_path / "own.yaml", code=3)
    assert "no_assistant_turn" in done.stdout
    assert "policy.gate.max_quarantined" in done.stderr
    found = answered("quarantine", tmp_path / "out", "--reason", "no_assistant_turn")
    assert found["counts"] == {"no_assistant_turn": 1}
    assert [row["row_id"] for row in found["rows"]] == ["row-1"]
    assert "no row" in phrasemill("quarantine", tmp_path / "out", "--reason", "other").stdout


def test_changed_files_and_held_folders_have_their_codes(folder: Path) -> None:
    with locked(folder / "held"):
        assert (
            "another run"
            in phrasemill(
                "scan", folder / "in.parquet", "-o", folder / "held", "--pack", folder / "own.yaml", code=6
            ).stderr
        )
    phrasemill("scan", folder / "in.parquet", "-o", folder / "torn", "--pack", folder / "own.yaml", "--quiet")
    (part,) = (folder / "torn" / "evidence" / "verdicts").glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-1])
    report = answered("verify", folder / "torn", code=5)
    assert not report["ok"]
    assert report["problems"][0]["path"].startswith("evidence/verdicts/")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("scan", "nowhere", "-o", "out"), "nowhere"),
        (("clean", "in.parquet", "-o", "out", "--limit", "1", "--head", "1"), "expected one of them"),
        (("run", "config.yaml", "-o", "new", "--base", "nowhere"), "manifest.json: not found"),
        (("clean", "in.parquet", "-o", "out", "--pack", "core-xx"), "core-xx"),
    ],
)
def test_what_cannot_be_used_is_named(folder: Path, args: tuple[str, ...], says: str) -> None:
    done = phrasemill(*args, code=2, cwd=folder)
    assert says in done.stderr
    assert done.stdout == ""


def test_rules_of_an_own_pack(tmp_path: Path) -> None:
    pack = tmp_path / "own.yaml"
    pack.write_text(PACK, "utf-8")
    assert phrasemill("rules", "test", pack).stdout.startswith("ok: 8 examples of 2 rules")
    assert phrasemill("rules", "lint", pack).stdout.startswith("ok")
    assert [rule["rule"] for rule in answered("rules", "list", pack)] == ["own.certainly", "own.name"]
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(PACK.replace('cut: "The bus', 'cut: "A bus').replace('"Say certainly and', '"Certainly. We'))
    done = phrasemill("rules", "test", wrong, code=2)
    assert "own.certainly: expected no hit" in done.stdout
    assert "own.certainly: wrong cut" in done.stdout
    loops = tmp_path / "loops.yaml"
    loops.write_text(PACK.replace("certainly[!.]", r"(certainly) \1"))
    assert "pattern" in phrasemill("rules", "lint", loops, code=2).stdout


def test_a_reader_that_went_away_is_no_error(folder: Path) -> None:
    command = [sys.executable, "-m", "phrasemill.engine.cli", "sql", str(folder / "out"), "FROM range(200000)", "--csv"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert child.stderr.read() == ""
        assert child.wait(60) == 0
