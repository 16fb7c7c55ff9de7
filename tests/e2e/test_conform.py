"""``conform``: what a folder has on traits and statements, before and after, and its gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import typer
import yaml
from typer.testing import CliRunner

from phrasemill.engine.cli.conform import conform as command
from phrasemill.engine.conform import Request, conform, write_conformance
from phrasemill.engine.conform_gates import read_gates
from phrasemill.engine.conform_model import Conformance
from phrasemill.schemas.errors import ConfigError, GateError, IntegrityError
from tests.e2e.conform_bench import BREAD, Bench, of, small_folder


@pytest.fixture
def bench(tmp_path: Path, project: Any) -> Bench:
    return Bench(tmp_path, project.pack)


@pytest.fixture
def small(bench: Bench) -> Path:
    return small_folder(bench)


def test_a_cleaned_folder_has_rates_by_category_and_no_statement(project: Any, chat: Any) -> None:
    answers = (f"Certainly! {BREAD}", f"Let us delve into it. {BREAD}", BREAD, "round and round and round")
    project.write("a.parquet", [chat(f"r{at}", "Tell me.", answer) for at, answer in enumerate(answers)])
    project.run("clean")
    report = conform(Request(project.out, show_progress=False))
    assert report.statements == ()
    assert (report.rows_in, report.whole.rows) == (4, 3)
    found = {each.category: (each.before, each.after) for each in report.whole.categories}
    assert found == {"opener": (1, 0), "repetition": (1, 0), "slop": (1, 1)}
    assert report.whole.before is not None
    assert (report.whole.before.rows, report.whole.before.hits) == (4, 3)
    assert (report.whole.after.rows_with_hit, report.whole.after.words) == (1, 2 * 11 + 16)


def test_a_run_counts_what_a_trait_mended(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("a", "Who?", "I am Zorbot."), chat("b", "What?", BREAD)])
    project.run("run", traits={"use": ["plain"]})
    report = conform(Request(project.out, show_progress=False))
    plain = of(report, "plain")
    assert plain.rows == 1
    assert plain.before is not None
    assert (plain.before.rows, plain.before.hits, plain.after.hits) == (1, 1, 0)


def test_rows_words_and_hits_by_trait(bench: Bench, small: Path) -> None:
    report = bench.conform(small)
    kind, terse = of(report, "kind"), of(report, "terse")
    assert (kind.rows, kind.queries, kind.coverage, kind.other_version) == (3, 2, 5, 0)
    assert (kind.after.hits, kind.after.rows_with_hit, kind.after.words) == (1, 1, 11 + 3 + 11 + 6 + 11)
    assert kind.before is not None
    assert (kind.before.rows, kind.before.hits, kind.before.rows_with_hit) == (2, 2, 1)
    assert (terse.rows, terse.after.hits) == (2, 1), "an opener is allowed in terse rows"
    assert report.whole.after.hits == 3
    assert report.unknown_traits == {"gone": 1}


def test_bans_and_limits_are_counted_in_the_rows_of_their_trait(bench: Bench, small: Path) -> None:
    ban, limit = of(bench.conform(small), "kind").phrases
    assert (ban.kind, ban.hits, ban.rows, ban.broken) == ("ban", 1, 1, True)
    assert (limit.kind, limit.hits, limit.rows, limit.broken) == ("limit", 2, 2, True)
    assert limit.per_1k == pytest.approx(2000 / 42)


def test_a_statement_without_rows_is_touched_by_its_probes_and_by_like_prompts(bench: Bench, small: Path) -> None:
    learned = of(bench.conform(small), "learned")
    assert (learned.rows, learned.queries, learned.probe_rows, learned.near_rows) == (0, 1, 1, 1)
    assert learned.coverage == 2
    assert (learned.after.rows, learned.after.hits) == (1, 1), "the row of its probe, with an opener"


def test_statements_that_nothing_touches_are_named(bench: Bench) -> None:
    folder = bench.folder("few", [("kind", "The volcano which buried Pompeii under ashes?", BREAD)])
    report = bench.conform(folder)
    assert (report.uncovered, report.near_only) == (("terse",), ("learned",))


def test_rows_of_another_text_of_a_trait_are_counted(bench: Bench) -> None:
    folder = bench.folder("old", [("kind", "a", BREAD), ("terse", "b", BREAD)], hashes={"kind": "x", "terse": "y"})
    bench_now = of(bench.conform(folder), "kind")
    assert (bench_now.rows, bench_now.other_version) == (1, 1)


def test_gates_name_what_fails_and_an_unknown_number_fails(bench: Bench, small: Path) -> None:
    verdicts = bench.judged("verdicts", small, [(0, "kind", 80.0), (1, "kind", 40.0)])
    gates = ("kind.pass_rate >= 0.5", "pass_rate >= 0.8", "*.hits_per_1k <= 0.5", "kind.coverage >= 1")
    report = bench.conform(small, *gates, judged=(verdicts,))
    got = {(each.gate, each.of): (each.got, each.holds) for each in report.gates}
    assert got["kind.pass_rate >= 0.5", "kind"] == (0.5, True)
    assert got["pass_rate >= 0.8", "kind"] == (0.5, False)
    assert got["pass_rate >= 0.8", "terse"] == (None, False)
    assert got["pass_rate >= 0.8", "learned"] == (None, False)
    assert not got["*.hits_per_1k <= 0.5", "*"][1]
    assert got["kind.coverage >= 1", "kind"] == (5.0, True)


def test_a_gate_on_a_folder_without_statements_is_on_the_whole(project: Any, chat: Any) -> None:
    project.write("a.parquet", [chat("r", "Tell me.", f"Let us delve into it. {BREAD}")])
    project.run("clean")
    gates = read_gates(["hits_per_1k <= 0.5", "uncovered <= 0"])
    report = conform(Request(project.out, gates=gates, show_progress=False))
    assert [(each.of, each.holds) for each in report.gates] == [("*", False), ("*", False)]


@pytest.fixture
def application() -> typer.Typer:
    made = typer.Typer()
    made.command()(command)
    return made


def test_the_command_writes_first_and_then_fails(bench: Bench, small: Path, application: typer.Typer) -> None:
    out = bench.root / "report"
    words = [str(small), "--traits", str(bench.traits), "--gate", "kind.pass_rate >= 0.8", "-o", str(out)]
    result = CliRunner().invoke(application, words)
    assert isinstance(result.exception, GateError)
    assert result.exception.exit_code == 3
    assert "kind: got nothing to measure, expected kind.pass_rate >= 0.8" in str(result.exception)
    assert sorted(path.name for path in out.iterdir()) == ["conform.json", "conform.md"]
    assert "0 of 1 gates hold." in result.stdout
    assert orjson.loads((out / "conform.json").read_bytes())["statements"][0]["id"] == "kind"


def test_the_command_prints_json(bench: Bench, small: Path, application: typer.Typer) -> None:
    result = CliRunner().invoke(application, [str(small), "--traits", str(bench.traits), "--use", "kind", "--json"])
    assert result.exit_code == 0
    printed = orjson.loads(result.stdout)
    assert [each["id"] for each in printed["statements"]] == ["kind"]
    assert printed["statements"][0]["after"]["per_1k"] == pytest.approx(1000 / 42)
    assert Conformance.model_validate(printed).format == 1


def test_the_same_input_gives_the_same_bytes(bench: Bench, small: Path) -> None:
    verdicts = bench.judged("verdicts", small, [(0, "kind", 80.0), (1, "kind", 40.0), (2, "kind", 61.0)])
    written = []
    for name in ("one", "two"):
        report = bench.conform(small, "rows >= 1", judged=(verdicts,), against=small, judged_against=(verdicts,))
        written.append([path.read_bytes() for path in write_conformance(report, bench.root / name)])
    assert written[0] == written[1]


def test_text_of_the_data_is_plain_on_the_page(bench: Bench) -> None:
    nasty = "a | b <img src=x> [x](http://y.z) `c` *d* \x1b[31m\nnext"
    folder = bench.folder("nasty", [("kind", "Q?", nasty)])
    verdicts = bench.judged("verdicts", folder, [(0, "kind", 5.0)])
    report = bench.conform(folder, judged=(verdicts,))
    page, _ = write_conformance(report, bench.root / "report")
    line = next(line for line in page.read_text().splitlines() if "next" in line)
    assert line.replace(r"\|", "").count("|") == 4, "three cells"
    assert r"\<img src=x> \[x\](http\://y.z) \`c\` \*d\*" in line
    assert "\x1b" not in page.read_text()
    assert r"I am learned \| and \*proud\*." in page.read_text()


def test_hundreds_of_statements(bench: Bench) -> None:
    for at in range(120):
        prompts = [f"Tell me something special concerning subject{at} please."]
        bench.trait(
            f"s{at}", {"statement": f"S {at}.", "pos_instruction": "Do.", "probe_prompts": prompts, "source": "spec"}
        )
    rows: list[tuple[str | None, str, str]] = [
        (None, f"Tell me something special concerning subject{at} please!", BREAD) for at in range(0, 240, 2)
    ]
    report = bench.conform(bench.folder("wide", rows))
    touched = [each.id for each in report.statements if each.probe_rows == 1]
    assert sorted(touched) == sorted(f"s{at}" for at in range(0, 120, 2))
    assert of(report, "s1").near_rows > 0
    page, _ = write_conformance(report, bench.root / "report")
    assert page.read_text().count("\n| s") >= 120


def test_a_filter_that_asks_a_server_is_left_out_and_named(bench: Bench, small: Path) -> None:
    config = {"packs": [str(bench.pack)], "filters": [{"use": "regex"}, {"use": "judge", "category": "slop"}]}
    (small / "config.yaml").write_text(yaml.safe_dump(config))
    report = bench.conform(small)
    assert report.filters == ("regex",)
    assert list(report.unscanned) == ["judge"]


def test_a_corpus_filter_reads_the_statistics_of_its_folder(project: Any, chat: Any, bench: Bench, small: Path) -> None:
    project.write("a.parquet", [chat("r", "Tell me.", BREAD)])
    project.run("clean", filters=[{"use": "regex"}, {"use": "repetition"}])
    report = conform(Request(project.out, show_progress=False))
    assert (report.filters, report.unscanned) == (("regex", "repetition"), {})
    (small / "config.yaml").write_text(yaml.safe_dump({"filters": [{"use": "regex"}, {"use": "repetition"}]}))
    assert list(bench.conform(small).unscanned) == ["repetition"]


def test_a_folder_of_queries_alone_covers_statements(bench: Bench) -> None:
    report = bench.conform(bench.folder("asked", [], queries=["kind", "terse"]), "kind.coverage >= 1")
    assert report.uncovered == ("learned",)
    assert report.gates[0].holds


def test_what_cannot_be_used_is_refused(bench: Bench, small: Path, project: Any, chat: Any) -> None:
    with pytest.raises(ConfigError, match="judged-against"):
        bench.conform(small, judged_against=(small,))
    with pytest.raises(ConfigError, match="expected a folder that phrasemill judge run"):
        bench.conform(small, judged=(small,))
    with pytest.raises(ConfigError, match="'nobody', expected one of: kind, learned, terse"):
        bench.conform(small, "nobody.rows >= 1")
    other = bench.folder("other", [("kind", "Q?", BREAD)])
    verdicts = bench.judged("verdicts", other, [(0, "kind", 5.0)])
    with pytest.raises(ConfigError, match="none of them on a published row"):
        bench.conform(small, judged=(verdicts,))
    project.write("a.parquet", [chat("r", "Tell me.", BREAD)])
    project.run("scan")
    with pytest.raises(ConfigError, match="got a scan"):
        conform(Request(project.out, show_progress=False))
    (bench.root / "file").write_text("")
    with pytest.raises(ConfigError, match="got a file"):
        write_conformance(bench.conform(small), bench.root / "file")


def test_a_damaged_part_file_is_named(bench: Bench, small: Path) -> None:
    path = next((small / "data" / "sft").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-60])
    with pytest.raises(IntegrityError, match="phrasemill verify"):
        bench.conform(small)
