"""vLLM servers of our own: all replicas of one configuration, started and stopped together, and a share for each.

Requests go to the ready replica with the fewest in flight. While none is ready they wait; those that were in flight
when a server died are sent again by the client.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from pathlib import Path
from typing import Final

from phrasemill.generators.vllm_launch import FIRST_PORT, Launch, reserve_port
from phrasemill.generators.vllm_replica import Replica
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import BackendError, PhrasemillError

_POLL_SECONDS: Final = 0.1


class VllmServers:
    """The replicas of one configuration: a ``Pool`` of the client. Usable from any thread and event loop."""

    is_watched: Final = True

    def __init__(self, config: BackendConfig, logs: Path) -> None:
        """Check what can be checked; nothing is started yet.

        Raises:
            ConfigError: interpreter, package, model or flags are wrong.
        """
        self.launch = Launch.checked(config)
        self._logs = logs
        self._changed = threading.Condition()
        self._is_closing = False
        self._replicas: list[Replica] = []

    def start(self) -> None:
        """Start all replicas and wait until each answers; a second call only waits.

        Raises:
            ConfigError: a setting is why one did not start.
            BackendError: it did not start for another reason, or not in time.
        """
        with self._changed:
            if not self._replicas and not self._is_closing:
                self._begin()
            self._changed.wait_for(lambda: self._is_closing or self._lost() or self._are_ready())
            lost = self._lost()
        if lost is not None:
            raise _again(lost)
        if self._is_closing:
            raise BackendError("backend vllm: stopped before it was ready")

    def stop(self) -> None:
        """End every server and all processes it started; blocks until they are gone. Calling it twice is allowed."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        for replica in self._replicas:
            replica.tell_to_end()
        for replica in self._replicas:
            replica.end()
        atexit.unregister(self.stop)

    @property
    def urls(self) -> list[str]:
        """The addresses of the replicas, in their order."""
        return [replica.url for replica in self._replicas]

    async def take(self) -> str:
        """The address of the ready replica with the fewest requests in flight; waits while there is none.

        Raises:
            BackendError: all replicas are given up, or the servers are being stopped.
        """
        while True:
            with self._changed:
                if self._is_closing:
                    raise BackendError("backend vllm: the servers are stopped")
                ready = [replica for replica in self._replicas if replica.state == "ready"]
                if ready:
                    chosen = min(ready, key=lambda replica: replica.flying)
                    chosen.flying += 1
                    return chosen.url
                errors = [replica.error for replica in self._replicas]
            if all(errors) and errors[0] is not None:
                raise _again(errors[0])
            await asyncio.sleep(_POLL_SECONDS)

    def give_back(self, url: str, *, answered: bool | None) -> None:
        """The request is over. After a failed one the replica gets no other until it was looked at."""
        with self._changed:
            next(replica for replica in self._replicas if replica.url == url).record(answered=answered)

    def _begin(self) -> None:
        config = self.launch.config
        atexit.register(self.stop)
        after = FIRST_PORT
        for number in range(config.replicas):
            held = reserve_port(None if config.port is None else config.port + number, after)
            after = int(held.getsockname()[1]) + 1
            log = self._logs / f"vllm-{number}.log"
            self._replicas.append(Replica(number, self.launch, held, log, self._changed))
        for replica in self._replicas:
            replica.begin()

    def _lost(self) -> PhrasemillError | None:
        return next((replica.error for replica in self._replicas if replica.state == "lost"), None)

    def _are_ready(self) -> bool:
        return all(replica.state == "ready" for replica in self._replicas)


def _again(error: PhrasemillError) -> PhrasemillError:
    """A copy to raise: one exception object raised by many tasks gathers the traces of all."""
    return type(error)(*error.args)
