"""A filter of another package, watched: what it does wrong is named, and never becomes a traceback or a lost row."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from pydantic import SkipValidation

from phrasemill.filters.base import Filter
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.errors import PhrasemillError, PluginError

Found = TypeVar("Found")


class WatchedFilter(Filter):
    """``inner`` under its own name. ``package`` and ``package_version`` belong to its fingerprint."""

    inner: SkipValidation[Filter]
    package: str
    package_version: str

    @classmethod
    def of(cls, inner: Filter, package: str, version: str) -> Self:
        """``inner``, watched."""
        watched = cls(inner=inner, package=package, package_version=version)
        # The name is the class's everywhere else; here it is that of the filter inside.
        object.__setattr__(watched, "name", inner.name)
        return watched

    def reads(self) -> tuple[str, ...]:
        """Roles that the filter inside reads."""
        return self._try("reads", self.inner.reads)

    def fingerprint(self) -> dict[str, Any]:
        """The fingerprint of the filter inside, and its package with version."""
        inner = self._try("fingerprint", self.inner.fingerprint)
        return {**inner, "package": self.package, "package_version": self.package_version}

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """The hits of the filter inside, each checked.

        Raises:
            PluginError: it raised, or gave something that is no hit or lies outside its text.

        """
        if type(self.inner).find_batch is not Filter.find_batch:
            hits = self._try("find_batch", lambda: list(self.inner.find_batch(turns)))
            for hit in hits:
                self._check_hit(hit, turns)
            return hits
        hits = []
        for index in self.wanted(turns).tolist():
            where = place(turns, index)
            text = str(turns.text[index])
            spans = self._try("find", lambda text=text: list(self.inner.find(text)), where)  # type: ignore[misc]
            for span in spans:
                if not isinstance(span, Span):
                    raise self._error("find", f"gave {type(span).__name__}, expected Span", where)
                self._check_values("find", span, len(text), where)
            hits.extend(self.inner.excused(turns, index, spans))
        return hits

    def _check_hit(self, hit: object, turns: TurnTable) -> None:
        if not isinstance(hit, Hit):
            raise self._error("find_batch", f"gave {type(hit).__name__}, expected Hit")
        if not isinstance(hit.at, int) or not 0 <= hit.at < len(turns):
            raise self._error("find_batch", f"gave a hit in turn {hit.at!r} of a table of {len(turns)}")
        self._check_values("find_batch", hit, len(str(turns.text[hit.at])), place(turns, hit.at))

    def _check_values(self, method: str, found: Span | Hit, length: int, where: str) -> None:
        for name, borders in (("span", (found.start, found.stop)), ("cut", found.cut)):
            if borders is not None and not _lies_in(borders, length):
                raise self._error(
                    method, f"gave the {name} {borders!r}, outside the text of {length} characters", where
                )
        if not all(isinstance(word, str) and word for word in (found.rule_id, found.category)):
            got = f"rule_id {found.rule_id!r} and category {found.category!r}"
            raise self._error(method, f"gave {got}, expected two names", where)
        if not isinstance(found.score, int | float) or not math.isfinite(found.score):
            raise self._error(method, f"gave the score {found.score!r}, expected a number", where)

    def _try(self, method: str, call: Callable[[], Found], where: str = "") -> Found:
        try:
            return call()
        except PhrasemillError:
            raise
        except Exception as error:  # whatever a plugin raises must name the plugin
            # Not the error's own words: they may hold text of the row.
            raised = f"raised {type(error).__name__} at {_origin(error.__traceback__)}"
            raise self._error(method, raised, where) from error

    def _error(self, method: str, what: str, where: str = "") -> PluginError:
        return PluginError(
            f"filter {self.name!r} of package {self.package!r} {self.package_version}: {where}{method} {what}"
        )


def _lies_in(borders: Iterable[object], length: int) -> bool:
    match tuple(borders):
        case (int(start), int(stop)):
            return 0 <= start <= stop <= length
        case _:
            return False


def place(turns: TurnTable, index: int) -> str:
    """Where turn ``index`` stands, as the beginning of a message."""
    row = (
        f"row {turns.position[index]} of the batch"
        if turns.row is None
        else f"shard {turns.shard}, row {turns.row[index]}"
    )
    return f"{row}, {turns.field}, turn {turns.turn[index]}: "


def _origin(trace: TracebackType | None) -> str:
    """File and line in which an error was raised."""
    if trace is None:
        return "an unknown place"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
