"""Who answers: a model in this process, a server that runs, or one that is started."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from phrasemill.schemas.secrets import VariableName, check_address


class Section(BaseModel):
    """A part of the configuration: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class BackendConfig(Section):
    """Who answers: ``local`` in this process, ``openai`` at a ``url``, ``vllm`` at a ``url`` or started by us.

    ``url`` ends in ``/v1``. ``model``: the name under which the server offers it; where vLLM is started, a folder or a
    name on the Hugging Face hub. ``api_key_env`` is the NAME of an environment variable; a key itself never stands in
    a configuration. ``wait_seconds``: how long a server that answers nobody is
    waited for. ``context`` is the context window per request, in tokens, of the ``local`` backend.

    The keys from ``replicas`` on say how vLLM is started. ``python``: the interpreter of the environment it is in (this
    one). ``replicas`` servers of ``tensor_parallel`` GPUs each listen on the loopback ports from ``port`` on (the first
    free ones from 8000). ``gpu_memory``: share of each GPU's memory. ``args``: further flags, as a list.
    ``start_seconds``: until the model must answer. ``log_dir``: where logs go.
    """

    STARTING: ClassVar[frozenset[str]] = frozenset(
        {"replicas", "tensor_parallel", "port", "max_model_len", "gpu_memory", "python", "args", "start_seconds"}
        | {"trust_remote_code", "log_dir"}
    )
    """Keys that only mean something where vLLM is started."""

    UNDECIDING: ClassVar[frozenset[str]] = frozenset(
        {
            "concurrency",
            "timeout_seconds",
            "threads",
            "api_key_env",
            "api_key_file",
            "replicas",
            "port",
            "gpu_memory",
            "python",
        }
        | {"start_seconds", "wait_seconds", "log_dir"}
    )
    """Keys on which no result depends."""

    use: Literal["local", "vllm", "openai"] = "local"
    url: str | None = None
    model: str | None = None
    api_key_env: VariableName | None = None
    api_key_file: str | None = None
    concurrency: int = Field(default=8, ge=1)
    temperature: float = Field(default=0.7, ge=0.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    max_tokens: int = Field(default=512, ge=1)
    context: int = Field(default=4096, ge=256)
    timeout_seconds: float = Field(default=120.0, gt=0.0)
    wait_seconds: float = Field(default=60.0, ge=0.0)
    threads: int | None = Field(default=None, ge=1)
    replicas: int = Field(default=1, ge=1)
    tensor_parallel: int = Field(default=1, ge=1)
    port: int | None = Field(default=None, ge=1024, le=65535)
    max_model_len: int | None = Field(default=None, ge=1)
    gpu_memory: float = Field(default=0.9, gt=0.0, le=1.0)
    python: str | None = None
    args: tuple[str, ...] = ()
    start_seconds: float = Field(default=900.0, gt=0.0)
    trust_remote_code: bool = False
    log_dir: str | None = None

    @field_validator("url")
    @classmethod
    def _holds_no_secret(cls, url: str | None) -> str | None:
        if url is not None:
            if not url.startswith(("http://", "https://")):
                raise ValueError("is no address of a server, expected http(s)://host:port/v1")
            check_address(url, user=False)
        return url

    @model_validator(mode="after")
    def _is_whole(self) -> BackendConfig:
        if self.use == "openai" and (self.url is None or self.model is None):
            raise ValueError("backend 'openai' needs url (for example http://localhost:8000/v1) and model")
        if self.use == "vllm" and self.model is None:
            raise ValueError(
                "backend 'vllm' needs model: a folder or hub name to start, or what the server at url offers"
            )
        return self

    @model_validator(mode="after")
    def _has_one_key(self) -> BackendConfig:
        if self.api_key_env is not None and self.api_key_file is not None:
            raise ValueError("got api_key_env and api_key_file, expected one of them")
        return self

    @model_validator(mode="after")
    def _starts_or_not(self) -> BackendConfig:
        given = {name for name in self.STARTING if getattr(self, name) != type(self).model_fields[name].default}
        if given and not self.is_started:
            raise ValueError(f"{', '.join(sorted(given))}: only for backend 'vllm' without url, which is then started")
        return self

    @property
    def is_started(self) -> bool:
        """Whether we start a vLLM server, which ends with the work."""
        return self.use == "vllm" and self.url is None
