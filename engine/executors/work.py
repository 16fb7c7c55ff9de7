"""A kind of work that can be done elsewhere: what is done to a job, and how its result comes back as JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from phrasemill.schemas import errors
from phrasemill.schemas.errors import PhrasemillError

Job = TypeVar("Job")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Work(Generic[Job, Result]):
    """``run`` and the others are functions of modules: they go to other processes by name.

    ``key`` is the same for the same job and fit for a file name, ``source`` names a job for people. ``encode`` gives
    plain JSON values, ``decode`` takes them back, with the run's own folder.
    """

    run: Callable[[Job], Result]
    key: Callable[[Job], str]
    source: Callable[[Job], str]
    encode: Callable[[Result], Any]
    decode: Callable[[Any, Path], Result]


def describe(error: Exception, trace: str) -> dict[str, Any]:
    """An error as JSON; ``trace`` is told where it is none of ours."""
    told: dict[str, Any] = {"type": type(error).__name__, "message": str(error), "trace": trace}
    if isinstance(error, OSError):
        told |= {"errno": error.errno, "reason": error.strerror, "file": _plain(error.filename), "type": "OSError"}
    return told


def revive(told: dict[str, Any], source: str) -> Exception:
    """The error that ``describe`` told: ours and those of the file system are of their own kind again."""
    kind = getattr(errors, str(told["type"]), None)
    if isinstance(kind, type) and issubclass(kind, PhrasemillError):
        return kind(str(told["message"]))
    if told["type"] == "OSError":
        return OSError(told["errno"], told["reason"], told["file"])
    return PhrasemillError(f"{told['trace']}{source}: its worker failed; this is a bug, please report the above")


def _plain(name: object) -> str | None:
    return None if name is None else str(name)
