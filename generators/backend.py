"""From the ``backend`` section of a configuration to a client that answers."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from phrasemill.generators.client import Client
from phrasemill.generators.local import start_local
from phrasemill.generators.retry import RetryPolicy
from phrasemill.schemas.config import BackendConfig
from phrasemill.schemas.errors import ConfigError

LOCAL_TIMEOUT_SECONDS: Final = 3600.0
"""``timeout_seconds`` is for servers elsewhere: a slow answer of the embedded one is not a lost one, and asking again
on a busy machine only makes all of them slower."""


@asynccontextmanager
async def open_backend(config: BackendConfig, *, retry: RetryPolicy | None = None) -> AsyncIterator[Client]:
    """A client for the configured server; ``local`` is started where it is not running yet, and stays.

    Raises:
        ConfigError: the address, the key's variable, the local model or its package is missing or wrong.
        BackendError: the local model does not load.
    """
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
        url, model, key, timeout = config.url, config.model, _key(config.api_key_env), config.timeout_seconds
    return Client(
        url,
        model,
        key=key,
        concurrency=config.concurrency,
        timeout_seconds=timeout,
        retry=retry,
    )


def _key(variable: str | None) -> str | None:
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise ConfigError(f"backend.api_key_env: the environment variable {variable} is not set or empty")
    return key
