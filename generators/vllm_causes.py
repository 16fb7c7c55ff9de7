"""Why vLLM did not start, read from its log: one line of it, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MAX_BYTES: Final = 1_000_000
_MAX_QUOTE: Final = 300
_PREFIX: Final = re.compile(r"^(?:\([^)]*\) )?(?:(?P<level>[A-Z]+) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\] )?)?\s*")
_ANY_ERROR: Final = re.compile(r"\b(?:\w*(?:Error|Exception|Interrupt)|error|Value error)[:,] ", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a server ended.

    ``line``: what vLLM said. ``advice``: what to do. ``is_config``: a setting is wrong, not the machine.
    """

    line: str
    advice: str
    is_known: bool = True
    is_config: bool = False
    is_port: bool = False


_KNOWN: Final = (
    (r"[Aa]ddress already in use", "port"),
    (r"unrecognized arguments|error: argument |invalid choice: |expected one argument", "flags"),
    (r"max seq len|max_model_len|maximum model length", "length"),
    (
        r"out of memory|OutOfMemory|[Ff]ree memory on device|No available memory|memory for kv|less than desired|"
        r"MemoryError|DefaultCPUAllocator|can't allocate memory|Available memory on node",
        "memory",
    ),
    (r"trust_remote_code|trust-remote-code", "code"),
    (
        r"LocalEntryNotFound|OfflineModeIsEnabled|couldn't connect to|offline mode|Cannot find an appropriate cached",
        "hub",
    ),
    (r"RepositoryNotFound|not a valid model identifier|GatedRepo|does not appear to have a file named", "model"),
    (r"[Mm]odel architectures? .*(?:not supported|failed)|Unrecognized model|no model class", "architecture"),
    (r"No module named|cannot open shared object|libcud\w*\.so", "install"),
    (r"must be divisible|world size .* is larger|tensor.parallel", "parallel"),
    (r"[Nn]o CUDA|no NVIDIA driver|Failed to infer device type|NVIDIA driver on your system is too old", "device"),
)
_ADVICE: Final = {
    "port": "another program has the port: set backend.port to a free one, or leave it out",
    "flags": "this version of vLLM has no such flag: correct backend.args",
    "length": "set backend.max_model_len to what fits into the model and the memory, or give more memory to the cache: "
    "backend.gpu_memory, on CPUs the environment variable VLLM_CPU_KVCACHE_SPACE (GiB)",
    "memory": "the model does not fit into the free memory: end what else uses it, lower backend.max_model_len, "
    "change backend.gpu_memory (on CPUs the environment variable VLLM_CPU_KVCACHE_SPACE, in GiB), raise "
    "backend.tensor_parallel, or take a smaller model",
    "code": "the model brings code of its own: read it, then set backend.trust_remote_code: true",
    "hub": "the model is not in the local cache and the hub cannot be reached: fetch it first, or name its folder",
    "model": "expected a folder with config.json, a tokenizer and safetensors, or the name of a model on the hub",
    "architecture": "this version of vLLM does not know the model: upgrade it, or take another model",
    "install": "the environment of backend.python is not whole: install vLLM there again",
    "parallel": "set backend.tensor_parallel to a number of GPUs that there are and that divides the model's heads",
    "device": "vLLM finds no GPU that it can use: check the driver and CUDA_VISIBLE_DEVICES, or take the CPU build",
}
_CONFIG: Final = frozenset({"port", "flags", "length", "code", "hub", "model", "architecture", "parallel"})
_PATTERNS: Final = tuple((re.compile(pattern), name) for pattern, name in _KNOWN)


def read_cause(log: Path, offset: int) -> Cause:
    """The likeliest cause in a log from ``offset`` (bytes) on.

    A line that is known, the first kind of the list above first and of a kind the first line; else the last line that
    names an error; else the last one. Lines that say they are no error are none.
    """
    errors = [line for line, level in _lines(log, offset) if level in (None, "ERROR") and _ANY_ERROR.search(line)]
    for pattern, name in _PATTERNS:
        found = next((line for line in errors if pattern.search(line)), None)
        if found is not None:
            return Cause(_short(found), _ADVICE[name], is_config=name in _CONFIG, is_port=name == "port")
    return Cause(_short(errors[-1]) if errors else last_line(log, offset), "read the log", is_known=False)


def last_line(log: Path, offset: int) -> str:
    """The last thing that was said from ``offset`` (bytes) on."""
    lines = _lines(log, offset)
    return _short(lines[-1][0]) if lines else "it said nothing"


def _lines(log: Path, offset: int) -> list[tuple[str, str | None]]:
    """Lines that are not empty, without process, time and place, and their level, where they have one."""
    if not log.exists():  # somebody cleaned up while the server ran
        return []
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - _MAX_BYTES))
        raw = file.read().decode("utf-8", "replace").splitlines()
    heads = ((line, _PREFIX.match(line)) for line in raw)
    found = ((line[head.end() :].strip(), head["level"]) for line, head in heads if head is not None)
    return [(line, level) for line, level in found if line]


def _short(line: str) -> str:
    return line if len(line) <= _MAX_QUOTE else line[: _MAX_QUOTE - 3] + "..."
