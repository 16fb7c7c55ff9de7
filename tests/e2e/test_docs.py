"""What the documents say is so: commands and options exist, code runs, YAML can be used, SQL has an answer."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

from phrasemill.engine.api import clean
from phrasemill.engine.assemble import check_names
from phrasemill.engine.catalog import SCHEMAS, VIEWS
from phrasemill.engine.cli.app import app
from phrasemill.engine.generate_where import read_predicates
from phrasemill.engine.query import run_sql
from phrasemill.filters.fuzzy_phrases import compile_phrases, read_phrases
from phrasemill.filters.lint import lint_packs
from phrasemill.generators.recipes.registry import load_recipe
from phrasemill.generators.traits import load_trait
from phrasemill.schemas.config import RunConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError
from phrasemill.schemas.generate import GenerateConfig
from phrasemill.schemas.policy import DEFAULT_ACTIONS, Policy

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "examples" / "quickstart" / "README.md"]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text("utf-8") for page in PAGES}

_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
_INLINE = re.compile(r"`(phrasemill [^`\n]+)`")
_OPTION = re.compile(r"(?<=\s)--?[a-z][a-z-]*")


class Block(NamedTuple):
    """A fenced block of a page."""

    text: str


def blocks(language: str) -> list[object]:
    """All blocks of a language, as parameters named by page and number."""
    found: list[object] = []
    for page, text in TEXTS.items():
        of_page = [body for kind, body in _FENCE.findall(text) if kind == language]
        found += [pytest.param(Block(body), id=f"{page}-{n}") for n, body in enumerate(of_page)]
    return found


def command_lines() -> Iterator[tuple[str, str]]:
    """Every ``phrasemill ...`` of every page: lines of fenced blocks, and code inside sentences."""
    for page, text in TEXTS.items():
        lines = [line.strip() for _, body in _FENCE.findall(text) for line in body.splitlines()]
        for line in [*lines, *_INLINE.findall(_FENCE.sub("", text))]:
            if line.startswith("phrasemill "):
                yield page, line.partition(" #")[0].strip()


COMMANDS = [pytest.param(line, id=f"{page}: {line}") for page, line in dict.fromkeys(command_lines())]


@pytest.mark.parametrize("line", COMMANDS)
def test_a_named_command_exists_with_its_options(line: str) -> None:
    command: object = typer.main.get_command(app)
    words = line.split()[1:]
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command = command.commands[words.pop(0)]
    known = {name for parameter in getattr(command, "params", ()) for name in parameter.opts} | {"-h", "--help"}
    quoted = re.sub(r"\"[^\"]*\"|'[^']*'", "", " " + " ".join(words))
    assert set(_OPTION.findall(quoted)) <= known


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data/`` and, cleaned from it, ``out/``."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "data").mkdir()
    shutil.copy(ROOT / "examples" / "quickstart" / "data" / "part-1.parquet", folder / "data" / "a.parquet")
    clean(folder / "data", folder / "out", workers=1)
    return folder


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: Block, tmp_path: Path, example: Path) -> None:
    shutil.copytree(example / "data", tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_can_be_used(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "block.yaml"
    path.write_text(block.text, "utf-8")
    data = read_document(path).data
    assert isinstance(data, dict)
    if "rules" in data:
        assert lint_packs([str(path)]) == []
    elif "entries" in data:
        assert compile_phrases(read_phrases(str(path)), str(path))
    elif "statement" in data:
        assert load_trait(path).id
    elif data.keys() & (GenerateConfig.model_fields.keys() - RunConfig.model_fields.keys()):
        text = block.text if "recipe" in data else "recipe: contrast\n" + block.text
        generated = parse_model(GenerateConfig, read_document(path, text), ConfigError)
        load_recipe(generated.recipe)
        read_predicates(generated.accept.where)
    elif data.keys() <= RunConfig.model_fields.keys():
        text = block.text if "input" in data else "input: {path: data}\n" + block.text
        config = parse_model(RunConfig, read_document(path, text), ConfigError)
        check_names(config.model_copy(update={"packs": ("core-en",)}))
    else:
        policy = parse_model(Policy, read_document(path), ConfigError)
        check_names(RunConfig.model_validate({"input": {"path": "data"}, "policy": policy}))


@pytest.mark.parametrize("block", blocks("sql"))
def test_sql_has_an_answer(block: Block, example: Path) -> None:
    assert run_sql(example / "out", block.text).num_columns


def test_every_table_column_and_view_is_described() -> None:
    described = set(re.findall(r"`([a-z0-9_]+)`", TEXTS["docs/output.md"]))
    columns = {name for schema in SCHEMAS.values() for name in schema.names}
    assert columns - described == set()
    assert set(VIEWS) - described == set()


@pytest.mark.parametrize("category", DEFAULT_ACTIONS)
def test_the_default_action_is_as_described(category: str) -> None:
    action = DEFAULT_ACTIONS[category]
    says = f"strip, else {action.otherwise}" if action.do == "strip" else action.do
    assert re.search(rf"^\| `{category}` \| [^|]+ \| {says}\b", TEXTS["README.md"], re.M)


def test_every_page_is_in_the_guide_and_links_lead_somewhere() -> None:
    listed = set(re.findall(r"^ {2}- [^:]+: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text("utf-8"), re.M))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[\w-]+)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
