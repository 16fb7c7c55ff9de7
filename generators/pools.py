"""Where a client's requests go: to one server, or to several that somebody watches over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Pool(Protocol):
    """Servers that answer for one model, and who watches over them."""

    @property
    def is_watched(self) -> bool:
        """Whether dead servers are started again and given up here; else the client gives up by itself."""

    async def take(self) -> str:
        """The address (with ``/v1``) for one request; waits while no server is ready.

        Raises:
            BackendError: the servers are given up.
        """

    def give_back(self, url: str, *, answered: bool | None) -> None:
        """The request to ``url`` is over; None: it was cancelled, which says nothing about the server."""


@dataclass(frozen=True, slots=True)
class OneServer:
    """A server that somebody else started, at ``url``."""

    url: str
    is_watched: bool = False

    async def take(self) -> str:
        """Its address."""
        return self.url

    def give_back(self, url: str, *, answered: bool | None) -> None:
        """Nobody keeps count."""
