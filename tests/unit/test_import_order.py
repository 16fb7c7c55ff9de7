"""Imports go one way, schemas <- filters <- generators <- engine, and asking for help loads nothing heavy."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import phrasemill

LAYERS = ("schemas", "filters", "generators", "engine")
PACKAGE = Path(phrasemill.__file__).parent
HEAVY = ("datasets", "duckdb", "polars", "pyarrow", "ray", "torch", "transformers", "vllm", "xllamacpp")


def imported_names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import, wherever it stands; a relative one keeps its leading dots."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def fault(layer: str, name: str) -> str | None:
    """Return what is wrong with the import of ``name`` in ``layer``, or None."""
    head, *rest = name.split(".")
    if name.startswith("."):
        return "relative import"
    if head in LAYERS:
        return f"import phrasemill.{head} instead"
    if head != "phrasemill" or rest == ["__version__"]:
        return None
    if not rest or rest[0] not in LAYERS:
        return "the public API is for users, not for its own parts"
    if LAYERS.index(rest[0]) > LAYERS.index(layer):
        return f"{layer} is below {rest[0]}"
    return None


def faults(layer: str, source: str) -> list[str]:
    """Return line and fault of every wrong import in ``source``, in the order of a walk through its tree."""
    found = ((line, name, fault(layer, name)) for line, name in imported_names(ast.parse(source)))
    return [f"{line}: {name}: {what}" for line, name, what in found if what]


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_imports_only_what_is_below_it(layer: str) -> None:
    files = sorted((PACKAGE / layer).rglob("*.py"))
    assert files, f"no code in {PACKAGE / layer}"
    wrong = [f"{layer}/{file.name}:{what}" for file in files for what in faults(layer, file.read_text("utf-8"))]
    assert wrong == []


@pytest.mark.parametrize(
    ("layer", "source", "wrong"),
    [
        pytest.param("filters", "from phrasemill.schemas.tables import SPANS", False, id="below"),
        pytest.param("filters", "import phrasemill.filters.base", False, id="same layer"),
        pytest.param("engine", "from phrasemill import __version__", False, id="version"),
        pytest.param("schemas", "import pyarrow as pa", False, id="third party"),
        pytest.param("filters", "import phrasemill.engine.run", True, id="above"),
        pytest.param("schemas", "from phrasemill import filters", True, id="above, from the package"),
        pytest.param("filters", "def late():\n    from phrasemill.generators import trait", True, id="in a function"),
        pytest.param("engine", "from .run import run", True, id="relative"),
        pytest.param("engine", "import schemas", True, id="folder as a package"),
        pytest.param("engine", "import phrasemill as pm", True, id="public API"),
    ],
)
def test_walker_knows_right_from_wrong(layer: str, source: str, wrong: bool) -> None:
    assert bool(faults(layer, source)) is wrong


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import contextlib, io, json, sys\n"
        "from phrasemill.engine.cli import main\n"
        "sys.argv = ['phrasemill', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as shown:\n"
        "    main()\n"
        "print(json.dumps({'shown': shown.getvalue(), 'modules': sorted(sys.modules)}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert "clean" in answer["shown"]
    assert [name for name in HEAVY if name in answer["modules"]] == []
