"""No part of the package turns data into code: the sources are read for every call that could."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import phrasemill

FOLDERS: Final = ("schemas", "filters", "generators", "engine")
CALLS: Final = frozenset(
    {
        *("eval", "exec", "compile", "__import__", "execfile"),
        *("pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "joblib.load", "dill.load", "dill.loads"),
        *("torch.load", "cloudpickle.load", "cloudpickle.loads", "os.system", "os.popen", "subprocess.getoutput"),
        *("yaml.load", "yaml.load_all", "yaml.unsafe_load", "yaml.full_load", "tarfile.open", "zipfile.ZipFile"),
        *("shutil.unpack_archive", "runpy.run_path", "jinja2.Template", "jinja2.Environment"),
    }
)
MODULES: Final = frozenset({"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle", "torch", "jinja2", "code"})
PICKLES: Final = frozenset({"engine/executors/spool.py"})
"""Files that pass jobs of ours between processes of one account; docs/threat_model.md says from where."""


def sources() -> dict[str, ast.Module]:
    root = Path(str(phrasemill.__file__)).parent
    found = {
        path.relative_to(root).as_posix(): ast.parse(path.read_text("utf-8"))
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
    }
    assert len(found) > 200
    return found


def test_nothing_that_runs_what_it_reads_is_called() -> None:
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in CALLS or (name in PICKLES and called.startswith("pickle.")), (
                    f"{name}:{node.lineno}: {called}"
                )
                shell = [key for key in node.keywords if key.arg in ("shell", "allow_pickle")]
                assert all(ast.unparse(key.value) == "False" for key in shell), f"{name}:{node.lineno}: {called}"


def test_no_module_that_does_is_imported() -> None:
    for name, tree in sources().items():
        for node in ast.walk(tree):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found = MODULES.intersection(each.partition(".")[0] for each in names)
            assert found <= ({"pickle"} if name in PICKLES else set()), f"{name}: {names}"


def test_modules_are_imported_by_names_of_ours_or_constant_ones() -> None:
    for name, tree in sources().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                named = ast.unparse(node.args[0])
                is_ours = named.startswith("f'phrasemill.")
                assert is_ours or isinstance(node.args[0], ast.Constant), f"{name}:{node.lineno}: {named}"
