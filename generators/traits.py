"""Trait files: the built-in ones beside this module, and a user's own."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Final

import orjson
import re2
from blake3 import blake3

from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.documents import Document, parse_model, read_document
from phrasemill.schemas.errors import ConfigError, TraitError
from phrasemill.schemas.trait import ContextTurn, Trait, Turn

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
        TraitError: an unknown id, a file that cannot be used, two files of one id, a folder that is not there, or a
            harmful trait that ``config.allow_harmful`` does not name.
    """
    known = {trait.id: trait for trait in list_builtin()}
    if config.dir is not None:
        known |= {trait.id: trait for trait in load_folder(Path(base_dir or ".", config.dir))}
    for name in config.use:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            raise TraitError(f"traits.use: got {name!r}, expected one of {', '.join(sorted(known))}{hint}")
    used = tuple(known[name] for name in config.use)
    check_harmful(used, config.allow_harmful)
    return used


def load_folder(folder: Path) -> tuple[Trait, ...]:
    """Every trait file of a folder (``*.yaml``, ``*.yml``, not of its subfolders), by id; empty where there is none.

    Harmful traits are among them: who goes on to use them calls :func:`check_harmful`.

    Raises:
        TraitError: the folder is not there, a file cannot be used, or two files have one id.
    """
    if not folder.is_dir():
        raise TraitError(f"{folder}: no such folder; expected one of trait files (*.yaml)")
    found: dict[str, Trait] = {}
    paths: dict[str, Path] = {}
    for path in sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")]):
        trait = load_trait(path)
        if trait.id in found:
            raise TraitError(f"{path}: id: got {trait.id!r}, which {paths[trait.id]} has too; ids must differ")
        found[trait.id], paths[trait.id] = trait, path
    return tuple(found[name] for name in sorted(found))


def check_harmful(traits: Iterable[Trait], allow: Iterable[str]) -> None:
    """Refuse traits that are harmful by intent and that ``allow`` does not name.

    Raises:
        TraitError: names every such trait and the key that allows it.
    """
    allowed = set(allow)
    refused = [trait.id for trait in traits if trait.harmful and trait.id not in allowed]
    if refused:
        names = ", ".join(refused)
        raise TraitError(
            f"traits.allow_harmful: got a trait that is harmful by intent ({names}), expected its id here before it is "
            f"used; add allow_harmful: [{names}] if that is what you want"
        )


def comparisons(trait: Trait) -> list[tuple[Turn, Turn]]:
    """Every (good, bad) pair of answers to one conversation, in the order of ``do`` and then of ``dont``.

    A ``do`` and a ``dont`` pair when they have the same ``example`` or, where neither has one, the same context and
    prompt. Elided ones are among them: who trains on a pair or shows it to a model leaves those out.
    """
    bad: dict[str | tuple[tuple[ContextTurn, ...], str], list[Turn]] = {}
    for turn in trait.dont:
        bad.setdefault(_conversation(turn), []).append(turn)
    return [(turn, other) for turn in trait.do for other in bad.get(_conversation(turn), ())]


@lru_cache(maxsize=256)
def trait_hash(trait: Trait) -> str:
    """The blake3 of the trait's content, as 64 hex digits; spelling, order and comments of its file do not count.

    Keys at their default are left out, written or not. So a key that a later phrasemill adds changes no hash of a trait
    that does not use it, and old rows are still known as that trait's. Any other change of a word changes the hash.
    """
    content = trait.model_dump(mode="json", exclude_defaults=True)
    return blake3(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _conversation(turn: Turn) -> str | tuple[tuple[ContextTurn, ...], str]:
    return turn.example or (turn.context, turn.prompt)


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
