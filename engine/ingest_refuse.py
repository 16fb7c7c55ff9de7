"""Refusing an input: every file that is wrong is named at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from phrasemill.schemas.errors import InputError

MAX_NAMED: Final = 20
"""Files that a refusal names; the others are counted."""


def refuse(problems: Sequence[str]) -> None:
    """Raise one error for all problems, each of which names its file. Nothing happens where there are none.

    Raises:
        InputError: there is a problem.

    """
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        shown = "".join(f"\n  {problem}" for problem in problems[:MAX_NAMED])
        more = f"\n  and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
        raise InputError(
            f"{len(problems)} files of the input cannot be read; mend them or take them out of the input:{shown}{more}"
        )
