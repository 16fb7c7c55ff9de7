"""The formats that can be imported, and how a file is known to be of one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from phrasemill.generators.importers.base import Imported, Source, read_text
from phrasemill.generators.importers.constitutional import import_constitutional
from phrasemill.generators.importers.json_text import read_json
from phrasemill.generators.importers.model_spec import import_model_spec
from phrasemill.generators.importers.open_character import import_open_character
from phrasemill.generators.importers.persona_vectors import import_persona_vectors
from phrasemill.generators.importers.prose import import_prose
from phrasemill.schemas.errors import InputError

AUTO: Final = "auto"
FORMATS: Final[Mapping[str, Callable[[Source], Imported]]] = {
    "open-character": import_open_character,
    "persona-vectors": import_persona_vectors,
    "constitutional": import_constitutional,
    "model-spec": import_model_spec,
    "prose": import_prose,
}
_JSON: Final = re.compile(r'\{\s*["}]|\[\s*[\[{"\]]')
"""How JSON with objects begins; prose may begin with a link or a slot."""

_WITH_ID: Final = re.compile(r"^#{1,6} .*\{#[^{}\n]*\bauthority=[^{}\n]*\}\s*$", re.MULTILINE)


def import_file(path: Path, kind: str = AUTO, prefix: str = "", *, harmful: bool = False) -> tuple[str, Imported]:
    """The format of a file and what it gave; ``kind`` is a name of :data:`FORMATS`, or ``auto`` to look.

    Raises:
        InputError: the file cannot be read, or the format is not known or cannot be told.
        TraitError: the file is not of its format; with ``file:line``.
    """
    if kind != AUTO and kind not in FORMATS:
        raise InputError(f"--format: got {kind!r}, expected one of {', '.join([AUTO, *FORMATS])}")
    text = read_text(path)
    found = detect(path, text) if kind == AUTO else kind
    return found, FORMATS[found](Source(path, text, prefix, harmful))


def detect(path: Path, text: str) -> str:
    """The format of a text: JSON by its keys, Markdown whose headings carry an authority, else prose.

    Raises:
        InputError: JSON that is broken or has the keys of no format.
    """
    start = text.lstrip()
    if start.startswith("{") and _is_row(start.partition("\n")[0]):
        return "open-character"
    if _JSON.match(start):
        data = read_json(path, text).data
        if isinstance(data, list) and data and isinstance(data[0], dict) and "trait" in data[0]:
            return "open-character"
        if isinstance(data, dict):
            for key, kind in (("instruction", "persona-vectors"), ("constitutions", "constitutional")):
                if key in data:
                    return kind
        raise InputError(
            f"{path}:1: got JSON of no known format, expected rows with the key trait (open-character), or the key "
            "instruction (persona-vectors) or constitutions (constitutional)"
        )
    return "model-spec" if _WITH_ID.search(text) else "prose"


def _is_row(line: str) -> bool:
    try:
        row = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, dict) and "trait" in row
