"""Filters of other packages and the ones that speak of a whole turn, from the guide to the verdicts."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from phrasemill.filters.base import Filter, load_filter
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.turns import TurnTable
from phrasemill.filters.watch import WatchedFilter
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import BackendError, PluginError

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "tests" / "plugin_package"
GUIDE = (ROOT / "docs" / "write_a_filter.md").read_text("utf-8")
SHOUTED = "Read this first: DO NOT OPEN THE OVEN before the bell. It is HOT in there."


def guide_block(mark: str) -> str:
    """The text of the fenced block of the guide whose opening line or first lines hold ``mark``."""
    blocks = re.findall(r"^(```[^\n]*\n.*?)^```", GUIDE, re.M | re.S)
    (block,) = [block for block in blocks if mark in block]
    return str(block.split("\n", 1)[1])


def install(package: Path, target: Path) -> None:
    """Build and install a package into a folder, from what this environment has."""
    for module in ("uv", "hatchling"):
        pytest.importorskip(module)
    options = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", sys.executable)
    command = [sys.executable, "-m", "uv", "pip", "install", *options, "--target", str(target), str(package)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def variant(folder: Path, **changes: str) -> Path:
    """A copy of the package with other words in its files and their names."""
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in list(folder.iterdir()):
        text = path.read_text("utf-8")
        name = path.name
        for old, new in changes.items():
            name, text = name.replace(old, new), text.replace(old, new)
        path.write_text(text, "utf-8")
        path.rename(folder / name)
    return folder


def python(*arguments: object, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python with the packages of ``site``, run in ``cwd``."""
    paths = os.pathsep.join(path for path in (str(site), os.environ.get("PYTHONPATH", "")) if path)
    env = {**os.environ, "PYTHONPATH": paths, "NO_COLOR": "1"}
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def phrasemill(*arguments: object, site: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, run as ``python`` is."""
    return python("-m", "phrasemill.engine.cli", *arguments, site=site, cwd=cwd)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package of ``tests/plugin_package`` installed."""
    folder = tmp_path_factory.mktemp("site")
    install(PACKAGE, folder)
    return folder


SCAN = ("scan", "data", "-o", "found", "--policy", "config.yaml")


@pytest.fixture(scope="module")
def guided(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the guide's configuration, a little data, and the folder that the guide's command made of it."""
    tmp_path = tmp_path_factory.mktemp("guided")
    (tmp_path / "data").mkdir()
    rows = [
        {"id": str(number), "messages": [{"role": "user", "content": "OPEN THE OVEN NOW"}, turn]}
        for number, turn in enumerate(
            {"role": "assistant", "content": text} for text in (SHOUTED, "Wait for the bell.", "ÄÖ " + SHOUTED)
        )
    ]
    (tmp_path / "data" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "config.yaml").write_text(guide_block('title="config.yaml"'))
    done = phrasemill(*SCAN, site=site, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path


def test_the_guide_shows_the_package_as_it_is() -> None:
    assert guide_block("class ShoutFilter") == (PACKAGE / "phrasemill_shout.py").read_text("utf-8")
    assert guide_block("[build-system]") == (PACKAGE / "pyproject.toml").read_text("utf-8")
    lines = guide_block("class ShoutFilter").split("class ShoutFilter")[1].strip().splitlines()
    assert len(lines) <= 10


def test_the_guide_works(site: Path, guided: Path) -> None:
    (guided / "try_it.py").write_text(guide_block('title="try_it.py"'))
    tried = python("-W", "error", "try_it.py", site=site, cwd=guided)
    assert tried.returncode == 0, tried.stderr
    assert re.findall(r"^phrasemill (.*)$", GUIDE, re.M) == [" ".join(SCAN)]
    spans = pl.read_parquet(guided / "found" / "evidence" / "spans" / "*.parquet").sort("row_id")
    assert spans.select("row_id", "text", "filter", "rule_id", "category", "action").rows() == [
        (row, "DO NOT OPEN THE OVEN", "shout", "shout.capitals", "shout", "drop") for row in ("0", "2")
    ]
    first = SHOUTED.index("DO NOT")
    assert spans["start"].to_list() == [first, first + 3]


def test_another_version_of_a_package_is_another_scan(guided: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    install(variant(tmp_path / "source", **{'version = "1.0"': 'version = "1.1"'}), newer)
    done = phrasemill(*SCAN, site=newer, cwd=guided)
    assert done.returncode == 2
    assert "stage scan" in done.stderr


def test_two_packages_with_one_name_are_refused(site: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    shutil.copytree(site, both)
    loud = {"phrasemill-shout": "loud-words", "_shout": "_loud"}
    tall = {"phrasemill-shout": "tall-words", "_shout": "_tall", "shout =": "length =", 'name="shout"': 'name="length"'}
    install(variant(tmp_path / "loud", **loud), both)
    install(variant(tmp_path / "tall", **tall), both)
    code = (
        "from phrasemill.filters.base import load_filter\n"
        "from phrasemill.schemas.config import FilterConfig\n"
        "from phrasemill.schemas.errors import PluginError\n"
        "for name in ('shout', 'length'):\n"
        "    try: load_filter(FilterConfig(use=name, min_words=3))\n"
        "    except PluginError as error: print(error)\n"
    )
    done = python("-c", code, site=both, cwd=tmp_path)
    said = "filter '{}' is brought by more than one package: {} (phrasemill{}) and {} (phrasemill{}); uninstall one"
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stderr
    assert said.format("shout", "loud-words", "_loud:ShoutFilter", "phrasemill-shout", "_shout:ShoutFilter") in lines[0]
    own = ".filters.length:LengthFilter"
    assert said.format("length", "phrasemill", own, "tall-words", "_tall:ShoutFilter") in lines[1]


def turns(*texts: str) -> TurnTable:
    """Row n of the table is user text n and turn 1 of it, which answers."""
    count = len(texts)
    return TurnTable(
        "messages",
        np.arange(count) + 5,
        np.ones(count, dtype=np.int32),
        pa.array(["assistant"] * count, pa.large_string()),
        pa.array(texts, pa.large_string()),
        np.full(count, -1),
        pa.array([], pa.large_string()),
    )


class Finds(Filter):
    """Does with the second text what a test says."""

    does: Callable[[str], Any]

    def find(self, text: str) -> Iterator[Span]:
        return iter(self.does(text)) if text == "secret" else iter([Span(0, 1, "r", "c")])


class FindsBatch(Filter):
    """Gives what a test says."""

    gives: Any

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        if self.gives is None:
            raise KeyError(turns.text[1].as_py())
        return self.gives  # type: ignore[no-any-return]


HIT = Hit(1, 0, 6, "r", "c", "f", 1.0, None, None)


def fail(_: str) -> list[Span]:
    raise ValueError("secret")


@pytest.mark.parametrize(
    ("does", "says"),
    [
        (fail, r"find raised ValueError at test_plugins\.py:\d+"),
        (lambda _: [Span(0, 7, "r", "c")], r"span \(0, 7\), outside the text of 6"),
        (lambda _: [Span(-1, 3, "r", "c")], r"span \(-1, 3\)"),
        (lambda _: [Span(4, 3, "r", "c")], r"span \(4, 3\)"),
        (lambda _: [Span(0.0, 3, "r", "c")], r"span \(0\.0, 3\)"),  # type: ignore[arg-type]
        (lambda _: [Span(0, 3, "r", "c", cut=(0, 99))], r"cut \(0, 99\)"),
        (lambda _: [Span(0, 3, "", "c")], "rule_id '' and category 'c'"),
        (lambda _: [Span(0, 3, "r", None)], "category None"),  # type: ignore[arg-type]
        (lambda _: [Span(0, 3, "r", "c", score=float("nan"))], "score nan"),
        (lambda _: [(0, 3)], "gave tuple, expected Span"),
        (lambda _: 3, "find raised TypeError"),
    ],
)
def test_what_a_plugin_does_wrong_is_named(does: Callable[[str], Any], says: str) -> None:
    watched = WatchedFilter.of(Finds(does=does), "tall-words", "1.2")
    with pytest.raises(PluginError, match=says) as caught:
        watched.find_batch(turns("fine", "secret"))
    message = str(caught.value)
    assert "package 'tall-words' 1.2: row 6 of the batch, messages, turn 1: " in message
    assert "secret" not in message


@pytest.mark.parametrize(
    ("gives", "says"),
    [
        (None, r"find_batch raised KeyError at test_plugins\.py:\d+"),
        (7, "find_batch raised TypeError"),
        ([Span(0, 1, "r", "c")], "gave Span, expected Hit"),
        ([HIT._replace(at=2)], "a hit in turn 2 of a table of 2"),
        ([HIT._replace(stop=9)], r"row 6 of the batch, messages, turn 1: find_batch gave the span \(0, 9\)"),
    ],
)
def test_what_a_batch_plugin_does_wrong_is_named(gives: Any, says: str) -> None:
    watched = WatchedFilter.of(FindsBatch(gives=gives), "tall-words", "1.2")
    with pytest.raises(PluginError, match=says):
        watched.find_batch(turns("fine", "secret"))


def test_a_broken_plugin_ends_a_scan_with_its_shard_and_row(guided: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(variant(tmp_path / "source", **{"run.end(), rule_id": "len(text) + 1, rule_id"}), site)
    done = phrasemill("scan", "data", "-o", "out", "--policy", "config.yaml", site=site, cwd=guided)
    said = " ".join(done.stderr.split())
    assert done.returncode == 2
    assert re.search(r"filter 'shout' of package 'phrasemill-shout' 1\.0: shard \w+, row 0, messages, turn 1: ", said)
    assert "Traceback" not in said
    assert "OVEN" not in said


def test_a_plugin_that_does_well_is_left_alone() -> None:
    watched = WatchedFilter.of(FindsBatch(gives=[HIT]), "tall-words", "1.2")
    assert watched.find_batch(turns("fine", "secret")) == [HIT]
    found = WatchedFilter.of(Finds(does=lambda text: [Span(0, len(text), "r", "c")]), "p", "1")
    assert [(hit.at, hit.stop) for hit in found.find_batch(turns("fine", "secret"))] == [(0, 1), (1, 6)]

    def down(_: str) -> list[Span]:
        raise BackendError("the server is down")

    with pytest.raises(BackendError, match="the server is down"):
        WatchedFilter.of(Finds(does=down), "p", "1").find_batch(turns("secret"))


@pytest.mark.parametrize(
    ("use", "says"),
    [("shou", "no filter named 'shou'; have: .*regex"), ("length.words", "takes no part after a dot")],
)
def test_a_name_that_leads_nowhere(use: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        load_filter(FilterConfig(use=use))


def test_a_filter_of_datatrove_wants_its_extra_and_a_name() -> None:
    with pytest.raises(PluginError, match="name one of its filters"):
        load_filter(FilterConfig(use="datatrove"))
    if importlib.util.find_spec("datatrove") is None:
        with pytest.raises(PluginError, match=r"pip install 'phrasemill\[datatrove\]'"):
            load_filter(FilterConfig(use="datatrove.GopherRepetitionFilter"))


def test_our_own_filters_come_by_name() -> None:
    options = {
        "length": {"min_words": 1},
        "language": {"allowed": ["en"]},
        "judge": {"question": "Is it?"},
        "regex": {},
    }
    for use, more in options.items():
        loaded = load_filter(FilterConfig.model_validate({"use": use, **more}))
        assert loaded.name == loaded.fingerprint()["use"] == use


def test_one_filter_does_not_import_the_others(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from phrasemill.filters.base import load_filter\n"
        "from phrasemill.schemas.config import FilterConfig\n"
        "load_filter(FilterConfig(use='length', min_words=1))\n"
        "print([name for name in sys.modules if name.endswith(('.regex', 'judge_filter', 'py3langid', 'datatrove'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_whole_turns_are_dropped_and_written_again_and_counted(project: Any, chat: Any) -> None:
    long = "Keep the seeds dry and cool, and sow them in spring when the ground is warm."
    rows = [
        chat("fine", "How?", long),
        chat("short", "How?", "Sow them."),
        chat("french", "How?", "Gardez les graines au sec et au frais, puis semez-les au printemps."),
    ]
    project.write("rows.jsonl", rows)
    filters = [{"use": "regex"}, {"use": "length", "min_words": 5}, {"use": "language", "allowed": ["en"]}]
    project.run(
        filters=filters, policy={"actions": {"length": "regenerate", "language.fr": "drop"}}, pairs={"quality": "none"}
    )
    assert project.outcomes() == {"fine": "kept", "short": "regenerated", "french": "dropped"}
    assert project.said()["short"][1].startswith("Keep it dry")
    spans = project.table("spans").select("row_id", "rule_id", "filter", "action", "start", "cut_start")
    assert sorted(spans.rows()) == [
        ("french", "language.fr", "language", "drop", 0, None),
        ("short", "length.min_words", "length", "regenerate", 0, None),
    ]
    shard = json.loads((project.out / "manifest.json").read_text())["shards"][0]
    assert shard["hits"]["length"]["spans"] == shard["hits"]["language"]["spans"] == 1
