"""phrasemill takes the tics out of chat data and puts character in.

import phrasemill as pm

result = pm.clean("data/*.parquet", "out")
result.verdicts()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from phrasemill.engine.api import clean, run, scan
    from phrasemill.engine.result import Result, open_result
    from phrasemill.schemas.config import RunConfig
    from phrasemill.schemas.errors import PhrasemillError
    from phrasemill.schemas.policy import Policy

__version__ = "0.1.0"

__all__ = ["PhrasemillError", "Policy", "Result", "RunConfig", "clean", "open_result", "run", "scan"]

_HOMES = {
    "PhrasemillError": "phrasemill.schemas.errors",
    "Policy": "phrasemill.schemas.policy",
    "Result": "phrasemill.engine.result",
    "RunConfig": "phrasemill.schemas.config",
    "clean": "phrasemill.engine.api",
    "open_result": "phrasemill.engine.result",
    "run": "phrasemill.engine.api",
    "scan": "phrasemill.engine.api",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used: importing phrasemill, as every command does, stays quick."""
    if name not in _HOMES:
        raise AttributeError(f"module 'phrasemill' has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
