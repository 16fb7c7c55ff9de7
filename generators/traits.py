"""Trait files: the built-in ones beside this module, and a user's own."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path
from typing import Final

import orjson
import re2
from blake3 import blake3

from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.documents import Document, parse_model, read_document
from phrasemill.schemas.errors import ConfigError, TraitError
from phrasemill.schemas.trait import Trait

BUILTIN_FOLDER: Final = Path(__file__).parent / "traits"


def load_trait(path: Path, text: str | None = None) -> Trait:
    """The trait in a YAML file, or in ``text`` under that name.

    Raises:
        TraitError: with ``file:line`` and one line a problem.
    """
    try:
        document = read_document(path, text)
    except ConfigError as error:
        raise TraitError(str(error)) from error
    trait = parse_model(Trait, document, TraitError)
    _check_patterns(trait, document)
    return trait


def list_builtin() -> list[Trait]:
    """The traits that come with phrasemill, by id."""
    return sorted((load_trait(path) for path in BUILTIN_FOLDER.glob("*.yaml")), key=lambda trait: trait.id)


def load_traits(config: TraitsConfig, base_dir: Path | None = None) -> tuple[Trait, ...]:
    """The traits that the configuration uses, in its order; a user's own comes before a built-in of the same id.

    ``config.dir`` is relative to ``base_dir``, the folder of the configuration file, else to the working folder.

    Raises:
        TraitError: an unknown id, a file that cannot be used, two files of one id, or a folder that is not there.
    """
    known = {trait.id: trait for trait in list_builtin()}
    if config.dir is not None:
        known |= _own(Path(base_dir or ".", config.dir))
    for name in config.use:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TraitError(f"traits.use: got {name!r}, expected one of {', '.join(sorted(known))}{hint}")
    return tuple(known[name] for name in config.use)


@lru_cache(maxsize=256)
def trait_hash(trait: Trait) -> str:
    """The blake3 of the trait's content, as 64 hex digits; spelling, order and comments of its file do not count."""
    return blake3(orjson.dumps(trait.model_dump(mode="json"), option=orjson.OPT_SORT_KEYS)).hexdigest()


def _own(folder: Path) -> dict[str, Trait]:
    if not folder.is_dir():
        raise TraitError(f"traits.dir: {folder}: no such folder")
    found: dict[str, Trait] = {}
    paths: dict[str, Path] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        trait = load_trait(path)
        if trait.id in found:
            raise TraitError(f"{path}: id: got {trait.id!r}, which {paths[trait.id]} has too; ids must differ")
        found[trait.id], paths[trait.id] = trait, path
    return found


def _check_patterns(trait: Trait, document: Document) -> None:
    for number, limit in enumerate(trait.phrases.limit):
        try:
            re2.compile(limit.pattern)
        except re2.error as error:
            reason = error.args[0].decode() if isinstance(error.args[0], bytes) else error
            line = document.line_of(("phrases", "limit", number, "pattern"))
            raise TraitError(
                f"{document.path}:{line}: phrases.limit.{number}.pattern: got {limit.pattern!r}, expected a "
                f"linear-time pattern (RE2 syntax): {reason}"
            ) from error
