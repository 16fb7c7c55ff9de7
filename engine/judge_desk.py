"""What every judging command needs: the traits, a desk at which a judge is asked, and work done in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from phrasemill.engine.folder import REQUESTS, check_ours
from phrasemill.engine.manifest import COMMITS_NAME, MANIFEST_NAME
from phrasemill.engine.stopping import Stop
from phrasemill.generators.ask import Desk, Voice
from phrasemill.generators.attempts import AttemptLog
from phrasemill.generators.backend import open_backend
from phrasemill.generators.tasks import Hit
from phrasemill.generators.traits import list_builtin, load_folder, load_traits
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.config import TraitsConfig
from phrasemill.schemas.errors import ConfigError, TraitError
from phrasemill.schemas.trait import Trait

WINDOW: Final = 4
"""Items in work for each request that may be in flight: enough that none waits for one slow answer before it."""

_POLL_SECONDS: Final = 0.2

Given = TypeVar("Given")
Result = TypeVar("Result")


def traits_in_use(folder: Path | None, use: Sequence[str]) -> tuple[Trait, ...]:
    """The traits named by ``use``, of the folder and those that ship; without names all of the folder.

    Judging makes no data, so a harmful trait needs no further word.

    Raises:
        TraitError: an unknown id, a file that cannot be used, or a folder without traits.
    """
    if use:
        where = None if folder is None else str(folder)
        return load_traits(TraitsConfig(use=tuple(dict.fromkeys(use)), dir=where, allow_harmful=tuple(use)))
    found = tuple(list_builtin()) if folder is None else load_folder(folder)
    if not found:
        raise TraitError(f"--traits {folder}: got no trait file, expected at least one *.yaml")
    return found


def check_out(out: Path) -> None:
    """A folder that a judge may write to. ConfigError: it holds a data set, whose requests are not a judge's."""
    check_ours(out)
    if any((out / name).exists() for name in (MANIFEST_NAME, COMMITS_NAME)):
        raise ConfigError(f"{out}: holds a data set, expected a new folder or one of a judge; name another")


@asynccontextmanager
async def judging_desk(out: Path, backend: BackendConfig, seed: int) -> AsyncIterator[Desk]:
    """A desk with a judge alone; finished requests are in the log of ``out`` and are not sent again.

    Raises:
        ConfigError, BackendError, IntegrityError: of the backend or the log.
    """
    with AttemptLog(out / REQUESTS) as log:
        async with open_backend(backend) as client:
            yield judge_desk(Voice(client, backend), log, seed)


def judge_desk(judge: Voice, log: AttemptLog, seed: int, recipe: str = "judge") -> Desk:
    """A desk at which only a judge is asked, whose answers no filter has to pass."""
    return Desk(
        voices={"judge": judge},
        log=log,
        scan=_no_hits,
        refuses=_no_refusal,
        find=_nothing,
        seed=seed,
        recipe=recipe,
    )


async def in_order(
    items: Iterable[Given], work: Callable[[Given], Awaitable[Result]], window: int
) -> AsyncGenerator[Result, None]:
    """The results of ``work`` in the order of ``items``, at most ``window`` begun at a time; items are taken as needed.

    What is in work when this ends early is cancelled.
    """
    begun: deque[asyncio.Future[Result]] = deque()
    try:
        for item in items:
            begun.append(asyncio.ensure_future(work(item)))
            if len(begun) >= window:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()
        await asyncio.gather(*begun, return_exceptions=True)


async def until_stopped(work: Coroutine[Any, Any, Result], stop: Stop) -> Result:
    """The result of ``work``; a signal cancels it, and Interrupted is raised."""
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait({task}, timeout=_POLL_SECONDS)
            stop.check()
        return task.result()
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})


def _no_hits(_trait: Trait, _text: str, _previous_user: str) -> list[Hit]:
    return []


def _nothing(_text: str, _previous_user: str) -> list[Hit]:
    return []


def _no_refusal(_text: str, _previous_user: str) -> bool:
    return False
