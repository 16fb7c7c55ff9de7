"""The sdist holds code and data, installs into an empty environment, and what it installs runs from elsewhere."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("schemas", "filters", "generators", "engine")
DATA_SUFFIXES = {".yaml", ".md", ".sql", ".jinja"}


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def package_files() -> set[str]:
    """Return the path under ``phrasemill/`` of every code and data file of the four folders in the source tree."""
    package = ROOT / "src" / "phrasemill"
    files = (file for folder in FOLDERS for file in (package / folder).rglob("*"))
    return {file.relative_to(package).as_posix() for file in files if file.suffix in DATA_SUFFIXES | {".py"}}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sdist, and the wheel from the sdist; return the folder that holds both."""
    for module in ("build", "hatchling"):
        pytest.importorskip(module)
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the sdist into an empty environment; return that environment's folder of executables.

    The environment sees this one's dependencies and build backend through a path entry, which comes after its own
    packages and does not follow this one's editable install.
    """
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=True, with_pip=False)
    where = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", scheme="venv", vars=where))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    scripts = Path(sysconfig.get_path("scripts", scheme="venv", vars=where))
    (sdist,) = built.glob("*.tar.gz")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--ignore-installed")
    run(scripts / "python", "-m", "pip", "install", *options, sdist, cwd=folder)
    return scripts


def test_sdist_holds_code_and_data(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {f"src/phrasemill/{name}" for name in package_files()} <= held
    assert {"pyproject.toml", "LICENSE", "README.md", "src/phrasemill/py.typed"} <= held


def test_wheel_from_the_sdist_holds_code_and_data(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    wanted = package_files()
    assert {f"phrasemill/{name}" for name in wanted} <= held
    assert "phrasemill/py.typed" in held
    assert any(name.startswith("filters/packs/") for name in wanted)
    assert any(name.startswith("generators/traits/") for name in wanted)
    assert {name.partition("/")[0] for name in held if not name.startswith("phrasemill-")} == {"phrasemill"}


def test_installed_package_runs_from_elsewhere(installed: Path, tmp_path: Path) -> None:
    where = run(installed / "python", "-c", "import phrasemill.engine as e; print(e.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(installed.parent)
    assert "clean" in run(installed / "phrasemill", "--help", cwd=tmp_path)
    assert "core-en" in run(installed / "phrasemill", "rules", "list", cwd=tmp_path)
    assert "plain" in run(installed / "phrasemill", "traits", "list", cwd=tmp_path)


def test_no_folder_is_importable_by_its_bare_name(installed: Path, tmp_path: Path) -> None:
    code = f"import importlib.util as util; print([name for name in {FOLDERS} if util.find_spec(name)])"
    assert run(installed / "python", "-c", code, cwd=tmp_path).strip() == "[]"
