"""From the ``backend`` section of a configuration to a client that answers."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final

from phrasemill.filters.cache import cache_folder
from phrasemill.generators.client import Client
from phrasemill.generators.local import start_local
from phrasemill.generators.retry import RetryPolicy
from phrasemill.generators.vllm_server import VllmServers
from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import ConfigError

LOCAL_TIMEOUT_SECONDS: Final = 3600.0
"""``timeout_seconds`` is for servers elsewhere: a slow answer of the embedded one is not a lost one, and asking again
on a busy machine only makes all of them slower."""

MAX_KEY_BYTES: Final = 10_000
"""Nothing behind this many bytes of a key's file is read."""

_started: dict[str, tuple[VllmServers, int]] = {}
"""Servers of this process by what they were started with, and how many use them."""
_starting = threading.Lock()


@asynccontextmanager
async def open_backend(
    config: BackendConfig, *, retry: RetryPolicy | None = None, logs: Path | None = None
) -> AsyncIterator[Client]:
    """A client for the configured server.

    ``local`` is started where it is not running yet, and stays. vLLM servers that are to be started are shared by all
    that want the same ones, and stopped with the last; their logs go to ``log_dir``, else to ``logs``, else to a folder
    of this start in the user's cache.

    Raises:
        ConfigError: the address, the key's variable, the model or its package is missing or wrong.
        BackendError: the model does not load.
    """
    if config.is_started:
        async with _own_vllm(config, logs) as servers, _client_of(servers, config, retry) as client:
            yield client
        return
    async with await _client(config, retry) as client:
        yield client


async def _client(config: BackendConfig, retry: RetryPolicy | None) -> Client:
    if config.use == "local":
        server = await asyncio.to_thread(
            start_local, concurrency=config.concurrency, context=config.context, threads=config.threads
        )
        url, model, key, timeout = server.url, server.model, None, LOCAL_TIMEOUT_SECONDS
    else:
        if config.url is None or config.model is None:
            raise ConfigError(f"backend {config.use}: needs url (for example http://localhost:8000/v1) and model")
        url, model, key, timeout = config.url, config.model, read_key(config), config.timeout_seconds
    return Client(
        url,
        model,
        key=key,
        concurrency=config.concurrency,
        timeout_seconds=timeout,
        retry=retry or RetryPolicy(down_after=config.wait_seconds),
    )


def _client_of(servers: VllmServers, config: BackendConfig, retry: RetryPolicy | None) -> Client:
    return Client(
        servers.urls[0],
        servers.launch.name,
        key=servers.launch.key,
        concurrency=config.concurrency,
        timeout_seconds=config.timeout_seconds,
        retry=retry,
        pool=servers,
    )


@asynccontextmanager
async def _own_vllm(config: BackendConfig, logs: Path | None) -> AsyncIterator[VllmServers]:
    """Running servers, shared within this process; stopped when the last one leaves, however it leaves."""
    if multiprocessing.parent_process() is not None:
        raise ConfigError(
            "backend vllm: a worker process does not start servers, or each would have its own: start one, give its url"
        )
    key = config.model_dump_json(include=set(BackendConfig.STARTING | {"model"}))
    servers = await asyncio.to_thread(_joined, key, config, logs or _default_logs())
    try:
        await asyncio.to_thread(servers.start)
        yield servers
    finally:
        # Stopping must go on when this task is cancelled a second time.
        await asyncio.shield(asyncio.to_thread(_left, key))


def _joined(key: str, config: BackendConfig, logs: Path) -> VllmServers:
    with _starting:
        servers, users = _started.get(key, (None, 0))
        if servers is None:
            servers = VllmServers(config, Path(config.log_dir).expanduser() if config.log_dir else logs)
        _started[key] = servers, users + 1
        return servers


def _left(key: str) -> None:
    with _starting:
        servers, users = _started.pop(key)
        if users > 1:
            _started[key] = servers, users - 1
        else:
            servers.stop()


def _default_logs() -> Path:
    return cache_folder() / "vllm" / f"{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}"


def read_key(config: BackendConfig) -> str | None:
    """The key for a server, from the environment or a file; None where the configuration names neither.

    Raises:
        ConfigError: there is none, or it cannot be sent; the message does not repeat it.
    """
    if config.api_key_env is not None:
        where = f"backend.api_key_env: the environment variable {config.api_key_env}"
        key = os.environ.get(config.api_key_env, "")
    elif config.api_key_file is not None:
        where = f"backend.api_key_file: {config.api_key_file}"
        key = _file_content(Path(config.api_key_file).expanduser(), where)
    else:
        return None
    key = key.strip()
    if not key:
        raise ConfigError(f"{where} is not set or empty, expected a key")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(f"{where} holds more than a key, expected one word of plain characters and nothing else")
    return key


def _file_content(path: Path, where: str) -> str:
    try:
        if not path.is_file():
            raise ConfigError(f"{where}: no such file, expected one that holds the key alone")
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES).decode("latin-1")
    except OSError as error:
        raise ConfigError(f"{where}: cannot be read: {error.strerror or error}") from error
