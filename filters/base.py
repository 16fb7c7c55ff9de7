"""What a filter is: options that are its identity, one method that finds spans, and a registry by name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from phrasemill.filters.exemptions import Exemptions
from phrasemill.filters.hits import Hit, Span
from phrasemill.filters.turns import TurnTable
from phrasemill.schemas.config import FilterConfig
from phrasemill.schemas.errors import PluginError

ENTRY_POINTS: Final = "phrasemill.filters"
"""Entry-point group through which other packages bring filters."""

_REGISTRY: dict[str, type[Filter]] = {}


class Filter(BaseModel):
    """A finder of spans. Frozen options, registered by ``name``; it never decides and never changes text.

    The smallest one defines ``find(text)``. One that gains from seeing a batch at once overrides ``find_batch``.
    Heavy models belong in a ``functools.cached_property``, never in a field: filters are pickled to workers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str] = ""
    roles: ClassVar[tuple[str, ...]] = ("assistant",)
    version: ClassVar[int] = 1

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
        speaks = [role in self.reads() for role in turns.role.to_pylist()]
        hits: list[Hit] = []
        for index, wanted in enumerate(speaks):
            if wanted:
                text = str(turns.text[index])
                hits.extend(self._excused(index, text, turns.previous_user(index), list(self.find(text))))
        return hits

    def _excused(self, index: int, text: str, prompt: str, spans: list[Span]) -> list[Hit]:
        if not spans:
            return []
        exemptions = Exemptions(prompt, text)
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

    def fingerprint(self) -> dict[str, Any]:
        """What makes this filter's findings what they are: name, version, options."""
        return {"use": self.name, "version": self.version, **self.model_dump(mode="json")}


def load_filter(config: FilterConfig) -> Filter:
    """The filter that a configuration names, built in or from an installed package."""
    cls = _REGISTRY.get(config.use) or _from_entry_point(config.use)
    return cls.from_options(config.options)


def _from_entry_point(name: str) -> type[Filter]:
    found = {point.name: point for point in entry_points(group=ENTRY_POINTS)}
    if name not in found:
        have = ", ".join(sorted({*_REGISTRY, *found}))
        raise PluginError(f"no filter named {name!r}; have: {have}")
    point = found[name]
    owner = point.dist.name if point.dist else point.value
    try:
        loaded = point.load()
    except Exception as error:  # whatever a plugin raises at import must name the plugin
        raise PluginError(f"filter {name!r} of package {owner!r} does not load: {error!r}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Filter)):
        raise PluginError(f"filter {name!r} of package {owner!r} is {loaded!r}; expected a subclass of Filter")
    return loaded
