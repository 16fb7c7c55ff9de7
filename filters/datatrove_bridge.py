"""Filters of datatrove by name: ``use: datatrove.GopherRepetitionFilter``, its arguments as options.

A datatrove filter judges one document and says keep or drop, with a reason. Here a document is one turn, and a dropped
one is a hit over the whole turn. What some of them do to a document's text is not looked at.
"""

from __future__ import annotations

import inspect
import re
from functools import cached_property
from importlib import import_module
from importlib.metadata import version
from types import ModuleType
from typing import Any, ClassVar, Final, Self

from pydantic import Field

from phrasemill.filters.base import Filter
from phrasemill.filters.hits import Hit
from phrasemill.filters.turns import TurnTable
from phrasemill.filters.watch import place
from phrasemill.schemas.errors import PluginError

CATEGORY: Final = "quality"

_REFUSED: Final = {
    "C4BadWordsFilter": "it fetches its word lists",
    "FastTextClassifierFilter": "it fetches its model; use: classifier takes a model file",
    "LambdaFilter": "it needs a function; write a filter of your own instead",
    "LanguageFilter": "it fetches its model; use: language comes with one",
    "SamplerFilter": "it drops at random; use --limit",
    "URLFilter": "it judges the address of a web page, which a turn has not",
    "UnigramLogProbFilter": "it fetches its word frequencies",
}
"""Filters that cannot run on a turn, or not the same twice and without a network, and why."""

_TRIAL: Final = "A plain sentence with a few words in it."

_NOT_OPTIONS: Final = frozenset({"exclusion_writer", "batch_size"})


class DatatroveFilter(Filter, name="datatrove"):
    """The class ``step`` of ``datatrove.pipeline.filters``, made with ``arguments``; category ``quality``.

    The rule id ends with datatrove's own reason: ``datatrove.GopherRepetitionFilter.top_2_gram``.
    """

    part_option: ClassVar[str] = "step"

    step: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Self:
        """The filter that ``step`` names; the other options are its arguments.

        Raises:
            PluginError: datatrove or a package that the filter needs is missing, there is no such filter or argument,
                or the filter needs what a turn has not.

        """
        step = options.get("step")
        if not isinstance(step, str):
            raise PluginError("filter 'datatrove': name one of its filters, for example: datatrove.GopherQualityFilter")
        made = cls(step=step, arguments={name: value for name, value in options.items() if name != "step"})
        made._step  # noqa: B018 - made now, so that a wrong option is found before any row is read
        return made

    def fingerprint(self) -> dict[str, Any]:
        """Name, options, and the version of datatrove that judges."""
        return {**super().fingerprint(), "datatrove": version("datatrove")}

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """One hit over each turn that the filter would drop, in order."""
        document = import_module("datatrove.data").Document
        hits: list[Hit] = []
        for index in self.wanted(turns).tolist():
            kept, reason = self._judge(document(text=str(turns.text[index]), id=str(index)), turns, index)
            if not kept:
                hits.append(self.whole_turn(turns, index, f"datatrove.{self.step}.{_slug(reason)}", CATEGORY))
        return hits

    def _judge(self, document: Any, turns: TurnTable, index: int) -> tuple[bool, str]:
        try:
            answer = self._step.filter(document)
        except Exception as error:  # whatever a filter of another package raises must name it
            raise PluginError(
                f"filter 'datatrove.{self.step}' of package 'datatrove' {version('datatrove')}: "
                f"{place(turns, index)}raised {type(error).__name__}"
            ) from error
        kept, reason = answer if isinstance(answer, tuple) else (answer, None)
        return bool(kept), str(reason or "dropped")

    @cached_property
    def _step(self) -> Any:
        filters = _filters()
        named = getattr(filters, self.step, None)
        have = sorted(name for name in vars(filters) if name.endswith("Filter") and name not in _REFUSED)
        if self.step in _REFUSED:
            raise PluginError(f"filter 'datatrove.{self.step}' cannot be used here: {_REFUSED[self.step]}")
        if not isinstance(named, type) or self.step not in have:
            raise PluginError(f"datatrove has no filter {self.step!r}; have: {', '.join(have)}")
        known = [name for name in inspect.signature(named).parameters if name not in _NOT_OPTIONS]
        if unknown := sorted(self.arguments.keys() - set(known)):
            raise PluginError(
                f"filter 'datatrove.{self.step}': unknown options {', '.join(unknown)}; its options are: "
                f"{', '.join(known) or 'none'}"
            )
        return _made(named, self.arguments)


def _made(named: type[Any], arguments: dict[str, Any]) -> Any:
    """The filter, tried once: datatrove looks for what a filter needs when it is made or when it first runs."""
    where = f"filter 'datatrove.{named.__name__}'"
    try:
        step = named(**arguments)
        step.filter(import_module("datatrove.data").Document(text=_TRIAL, id="trial"))
    except ImportError as error:
        raise PluginError(f"{where}: {error}") from error
    except Exception as error:  # whatever it raises on a plain sentence comes from its options
        raise PluginError(f"{where} does not run with these options: {type(error).__name__}: {error}") from error
    return step


def _filters() -> ModuleType:
    try:
        return import_module("datatrove.pipeline.filters")
    except ImportError as error:
        raise PluginError(
            f"filter 'datatrove': the package {error.name or 'datatrove'} is not installed: "
            "pip install 'phrasemill[datatrove]'"
        ) from error


def _slug(reason: str) -> str:
    """A reason as a part of a rule id: letters, digits and underscores."""
    return re.sub(r"[^A-Za-z0-9]+", "_", reason).strip("_") or "dropped"
