"""Files that are used only if their content is what was vouched for."""

from __future__ import annotations

import hashlib
from pathlib import Path

from phrasemill.schemas.errors import IntegrityError, PluginError


def checked_content(path: Path, sha256: str) -> bytes:
    """The content of a model file. PluginError: it cannot be read; IntegrityError: it is not what ``sha256`` says."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PluginError(f"{path}: {error.strerror}; expected a file of a sentence model") from error
    got = hashlib.sha256(content).hexdigest()
    if got != sha256:
        raise IntegrityError(
            f"{path}: sha256 is {got}, its record says {sha256}; "
            "the file is damaged or was replaced: restore it, or train it anew"
        )
    return content
