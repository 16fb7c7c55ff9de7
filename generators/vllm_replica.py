"""One vLLM server of ours and the thread that lives with it: started, waited for, watched, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import httpx

from phrasemill.generators.vllm_causes import Cause, last_line, read_cause
from phrasemill.generators.vllm_launch import HOST, Launch, reserve_port
from phrasemill.schemas.errors import BackendError, ConfigError, PhrasemillError

State = Literal["starting", "ready", "doubtful", "lost"]

MAX_DEATHS: Final = 3
"""So often a replica is started again without an answered request in between."""

_MAX_MOVES: Final = 5
_GUARD: Final = Path(__file__).with_name("vllm_guard.py")
_POLL_SECONDS: Final = 0.1
_PROBE_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 15.0
_SILENT_FAILURES: Final = 20
_SILENT_SECONDS: Final = 60.0
"""A server that is there but fails so many requests in a row for so long is ended and started again."""


class Replica:
    """One server: its port and log, and how it stands. All but the guard is under the lock ``changed``.

    ``doubtful``: a request failed, and it gets no other until it was looked at. ``lost``: given up, for ``error``.
    """

    def __init__(
        self, number: int, launch: Launch, held: socket.socket, log: Path, changed: threading.Condition
    ) -> None:
        """Nothing is started yet. ``held`` keeps the port."""
        self.number = number
        self.log = log
        self.state: State = "starting"
        self.flying = 0
        self.error: PhrasemillError | None = None
        self._launch = launch
        self._held = held
        self._changed = changed
        self._closing = threading.Event()
        self._deaths = self._moves = self._failures = self._offset = 0
        self._failing_since = 0.0
        self._guard: subprocess.Popen[bytes] | None = None
        self._http = httpx.Client(
            headers={"Authorization": f"Bearer {launch.key}"}, timeout=_PROBE_SECONDS, trust_env=False
        )
        self._thread = threading.Thread(target=self._run, daemon=True, name=log.stem)

    @property
    def port(self) -> int:
        """Where it listens, on the loopback interface."""
        return int(self._held.getsockname()[1])

    @property
    def url(self) -> str:
        """Its address, with ``/v1``."""
        return f"http://{HOST}:{self.port}/v1"

    def begin(self) -> None:
        """Start it in the background."""
        self._thread.start()

    def tell_to_end(self) -> None:
        """Begin to end it; returns at once."""
        self._closing.set()
        if self._guard is not None:
            with suppress(ProcessLookupError):
                self._guard.terminate()

    def end(self) -> None:
        """End it and everything it started; blocks until all of it is gone."""
        self.tell_to_end()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        _end(self._guard)
        self._held.close()
        self._http.close()

    def record(self, *, answered: bool | None) -> None:
        """A request is over: answered, failed, or (None) cancelled."""
        self.flying -= 1
        if answered:
            self._deaths = self._failures = 0
        elif answered is False:
            self._failing_since = self._failing_since if self._failures else time.monotonic()
            self._failures += 1
            if self.state == "ready":
                self.state = "doubtful"

    def _run(self) -> None:
        """The thread of a replica: whatever ends it, nobody waits for the replica any longer."""
        try:
            self._live()
        except (PhrasemillError, OSError) as error:
            self.error = BackendError(f"backend vllm: replica {self.number}: {error}")
        finally:
            if not self._closing.is_set():
                self.error = self.error or BackendError(f"backend vllm: replica {self.number}: not watched")
                self._set("lost")

    def _live(self) -> None:
        """The life of a replica: started, waited for, watched; from the start again while the budget lasts."""
        was_up = False
        while not self._closing.is_set():
            self._spawn()
            is_up = self._wait_until(self._offers_model, self._launch.config.start_seconds)
            if is_up:
                was_up = True
                self._set("ready")
                self._watch()
            if self._closing.is_set():
                return
            is_alive = self._guard is not None and self._guard.poll() is None
            _end(self._guard)
            cause = read_cause(self.log, self._offset)
            if cause.is_port and not was_up and self._launch.config.port is None and self._moves < _MAX_MOVES:
                self._move()
                continue
            self._deaths += 1
            if not was_up or self._deaths > MAX_DEATHS:
                self.error = self._given_up(cause, was_up=was_up, is_late=is_alive and not is_up)
                return
            self._set("starting")
            self._closing.wait(self._deaths - 1.0)

    def _spawn(self) -> None:
        command = self._launch.command(self.port)
        head = f"--- {datetime.now(UTC).isoformat(timespec='seconds')} {' '.join(command)}\n"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            log.write(head.encode())
            log.flush()
            self._offset = log.tell()
            self._failures = 0
            # A session of its own: a Ctrl-C of the terminal is ours to handle, and a whole group can be ended.
            self._guard = subprocess.Popen(
                [sys.executable, "-I", str(_GUARD), str(os.getpid()), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._launch.environment(self.number),
                start_new_session=True,
            )

    def _watch(self) -> None:
        """Return when the server is dead, or has failed for so long that it may as well be."""
        while self._is_running():
            if self.state == "doubtful":
                is_silent = self._failures >= _SILENT_FAILURES
                if is_silent and time.monotonic() - self._failing_since >= _SILENT_SECONDS:
                    return
                if self._is_healthy() and self._is_running():
                    self._set("ready")
            self._closing.wait(_POLL_SECONDS)

    def _wait_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._is_running():
            if condition():
                return True
            self._closing.wait(_POLL_SECONDS * 3)
        return False

    def _is_running(self) -> bool:
        return not self._closing.is_set() and self._guard is not None and self._guard.poll() is None

    def _is_healthy(self) -> bool:
        try:
            return self._http.get(f"http://{HOST}:{self.port}/health").is_success
        except (httpx.HTTPError, RuntimeError):  # RuntimeError: closed while stopping
            return False

    def _offers_model(self) -> bool:
        """Whether it is our server, by its key, and has loaded the model."""
        if not self._is_healthy():
            return False
        try:
            listed = self._http.get(f"{self.url}/models")
            return listed.is_success and any(model["id"] == self._launch.name for model in listed.json()["data"])
        except (httpx.HTTPError, RuntimeError, ValueError, KeyError, TypeError):
            return False

    def _move(self) -> None:
        """To the next free port: a server that reuses addresses, as ours do, has taken the one that was held."""
        with self._changed:
            held = reserve_port(None, self.port + 1)
            self._held.close()
            self._held = held
            self._moves += 1

    def _set(self, state: State) -> None:
        with self._changed:
            self.state = state
            self._changed.notify_all()

    def _given_up(self, cause: Cause, *, was_up: bool, is_late: bool) -> PhrasemillError:
        where = f"backend vllm: {self._launch.config.model}, replica {self.number}, port {self.port}"
        log = f"log: {self.log}"
        if is_late:
            return BackendError(
                f"{where}: not ready after {self._launch.config.start_seconds:g} seconds (backend.start_seconds); its "
                f"last word: {last_line(self.log, self._offset)}; raise the limit if the model is large; {log}"
            )
        if not was_up:
            kind = ConfigError if cause.is_config else BackendError
            return kind(f"{where}: did not start: {cause.line}: {cause.advice}; {log}")
        # Once there were requests, a line that is not known may hold text of them.
        quote = f"{cause.line}: " if cause.is_known else ""
        return BackendError(
            f"{where}: died {self._deaths} times without an answered request in between: {quote}{cause.advice}; then "
            f"run the same command again; {log}"
        )


def _end(guard: subprocess.Popen[bytes] | None) -> None:
    """End a guard and what it guards. One that was killed leaves its group behind."""
    if guard is None:
        return
    if guard.poll() is None:
        guard.terminate()
        with suppress(subprocess.TimeoutExpired):
            guard.wait(_STOP_SECONDS)
    if guard.poll() is None or guard.returncode < 0:
        with suppress(ProcessLookupError):
            os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
