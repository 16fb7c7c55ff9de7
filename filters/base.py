"""What a filter is: options that are its identity, one method that finds spans, and a registry by name.

Our own filters and those of other packages come through one entry-point group and are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any, ClassVar, Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import PhrasemillError, PluginError

ENTRY_POINTS: Final = "phrasemill.filters"
"""Entry-point group through which packages, this one included, bring filters."""

OWN_PACKAGE: Final = "phrasemill"

_REGISTRY: dict[str, type[Filter]] = {}


class Filter(BaseModel):
    """A finder of spans. Frozen options, registered by ``name``; it never decides and never changes text.

    The smallest one defines ``find(text)``. One that gains from seeing a batch at once overrides ``find_batch``.
    Heavy models belong in a ``functools.cached_property``, never in a field: filters are pickled to workers.
    ``part_option``: the option that takes what follows a dot in ``use: name.part``; empty where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = ""
    roles: ClassVar[tuple[str, ...]] = ("assistant",)
    version: ClassVar[int] = 1
    part_option: ClassVar[str] = ""

    def __init_subclass__(cls, name: str = "", **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if not name:
            return
        known = _REGISTRY.get(name)
        if known is not None and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
            raise PluginError(f"two filters are named {name!r}: {known.__module__} and {cls.__module__}; rename one")
        cls.name = name
        _REGISTRY[name] = cls

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Self:
        """The filter with these options; PluginError names each one that is wrong."""
        try:
            return cls.model_validate(options)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'options'}: {e['msg']}" for e in error.errors())
            have = ", ".join(cls.model_fields) or "none"
            raise PluginError(f"filter {cls.name!r}: {wrong}; its options are: {have}") from error

    def reads(self) -> tuple[str, ...]:
        """Roles whose turns this filter wants to see."""
        return self.roles

    def find(self, text: str) -> Iterator[Span]:
        """Spans of one text, in code points."""
        raise NotImplementedError(f"filter {self.name!r} defines neither find nor find_batch")

    def find_batch(self, turns: TurnTable) -> list[Hit]:
        """Hits of all turns of the roles that this filter reads, with what excuses them.

        The default calls ``find`` per turn.
        """
        hits: list[Hit] = []
        for index in self.wanted(turns).tolist():
            hits.extend(self.excused(turns, index, list(self.find(str(turns.text[index])))))
        return hits

    def wanted(self, turns: TurnTable) -> npt.NDArray[np.int64]:
        """Indices of the turns that this filter reads, in order: a turn table may hold those of other filters too."""
        speaks = pc.is_in(turns.role, value_set=pa.array(self.reads(), turns.role.type))
        return np.flatnonzero(speaks.to_numpy(zero_copy_only=False))

    def excused(self, turns: TurnTable, index: int, spans: list[Span]) -> list[Hit]:
        """Spans of turn ``index`` as hits, each with what the text itself excuses it by."""
        if not spans:
            return []
        exemptions = Exemptions(turns.previous_user(index), str(turns.text[index]))
        return [
            Hit(
                at=index,
                start=span.start,
                stop=span.stop,
                rule_id=span.rule_id,
                category=span.category,
                filter=self.name,
                score=span.score,
                cut=span.cut,
                exempt=exemptions.reason(span.category, span.rule_id, span.start, span.stop),
            )
            for span in spans
        ]

    def whole_turn(self, turns: TurnTable, index: int, rule_id: str, category: str, score: float = 1.0) -> Hit:
        """A hit over all of turn ``index``, said of the turn as such: it has no cut, and nothing excuses it."""
        length = len(str(turns.text[index]))
        return Hit(index, 0, length, rule_id, category, self.name, score, cut=None, exempt=None, whole=True)

    def fingerprint(self) -> dict[str, Any]:
        """What makes this filter's findings what they are: name, version, options."""
        return {"use": self.name, "version": self.version, **self.model_dump(mode="json")}


def load_filter(config: FilterConfig) -> Filter:
    """The filter that a configuration names.

    ``use: name.part`` is the filter ``name``, which takes ``part`` as its ``part_option``. A filter of another package
    is watched: what it does wrong becomes a PluginError, and the package's version is part of its fingerprint.

    Raises:
        PluginError: there is no such filter, two packages bring one of that name, it does not load, or an option is
            wrong.

    """
    name, part = config.use, ""
    if name not in _names():
        name, _, part = name.partition(".")
    point = _entry_point(name)
    cls = _REGISTRY.get(name) if point is None else _load(point)
    if cls is None:
        raise PluginError(f"no filter named {config.use!r}; have: {', '.join(sorted(_names()))}{_hint()}")
    options = config.options
    if part:
        if not cls.part_option:
            raise PluginError(f"filter {config.use!r}: {name!r} takes no part after a dot; write use: {name}")
        options = {cls.part_option: part, **options}
    loaded = cls.from_options(options)
    if point is None or _package(point) == OWN_PACKAGE:
        return loaded
    from phrasemill.filters.watch import WatchedFilter  # it builds on this module

    return WatchedFilter.of(loaded, _package(point), _version(point))


def _names() -> set[str]:
    return {*_REGISTRY, *(point.name for point in _points())}


@cache
def _points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=ENTRY_POINTS))


def _entry_point(name: str) -> EntryPoint | None:
    """The one entry point of that name; a package that is found twice on the path counts once."""
    found = {(_package(point), point.value): point for point in _points() if point.name == name}
    if len(found) > 1:
        listed = " and ".join(f"{package} ({value})" for package, value in sorted(found))
        raise PluginError(f"filter {name!r} is brought by more than one package: {listed}; uninstall one, or rename it")
    return next(iter(found.values()), None)


def _load(point: EntryPoint) -> type[Filter]:
    where = f"filter {point.name!r} of package {_package(point)!r}"
    try:
        loaded = point.load()
    except PhrasemillError:
        raise
    except Exception as error:  # whatever a plugin raises at import must name the plugin
        raise PluginError(f"{where} does not load: {error!r}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Filter)):
        raise PluginError(f"{where} is {loaded!r}; expected a subclass of phrasemill.filters.base.Filter")
    if loaded.name != point.name:
        raise PluginError(f"{where} calls itself {loaded.name!r}; write class ...(Filter, name={point.name!r})")
    return loaded


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.value


def _version(point: EntryPoint) -> str:
    return point.dist.version if point.dist else "unknown"


def _hint() -> str:
    """What to do where not even our own filters are listed: the package runs from a folder that was never installed."""
    if any(_package(point) == OWN_PACKAGE for point in _points()):
        return ""
    return f"; the package {OWN_PACKAGE} is not installed, so its own filters are not found: pip install -e ."
