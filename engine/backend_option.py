"""``--backend`` on a command line: a name, the address of a server, or a file with the keys of a backend."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from phrasemill.schemas.backend import BackendConfig
from phrasemill.schemas.documents import parse_model, read_document
from phrasemill.schemas.errors import ConfigError


def read_backend(value: str, model: str | None = None) -> BackendConfig:
    """The backend that ``value`` names: ``local``, ``http://host:port/v1``, or a YAML file.

    The file holds the keys of a backend, or a ``backend`` section among others. ``model`` comes before the file's.

    Raises:
        ConfigError: no such file, an address without a model, or keys that a backend does not have.
    """
    if value == "local":
        return BackendConfig()
    given = {} if model is None else {"model": model}
    if value.startswith(("http://", "https://")):
        if model is None:
            raise ConfigError(f"--backend {value}: needs --model, the name under which the server offers its model")
        try:
            return BackendConfig(use="openai", url=value, model=model)
        except ValidationError as error:  # its own message repeats the address, which may hold a password
            said = error.errors(include_url=False, include_input=False)[0]["msg"].partition(", ")[2]
            raise ConfigError(f"--backend: {said}") from None
    path = Path(value)
    if not path.is_file():
        raise ConfigError(f"--backend: got {value!r}, expected local, http://host:port/v1 or a YAML file")
    document = read_document(path)
    inner = document.data.get("backend") if isinstance(document.data, dict) else None
    if isinstance(inner, dict):
        section = {**inner, **given}
        try:
            return _beside(path, BackendConfig.model_validate(section))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, ("backend", *first["loc"])))
            line = document.line_of(("backend", *first["loc"]))
            raise ConfigError(f"{path}:{line}: {place}: {first['msg']}") from error
    return _beside(path, parse_model(BackendConfig, document, ConfigError).model_copy(update=given))


def _beside(path: Path, backend: BackendConfig) -> BackendConfig:
    """The backend with the file of its key found from the file that names it."""
    if backend.api_key_file is None:
        return backend
    return backend.model_copy(update={"api_key_file": str(path.resolve().parent / backend.api_key_file)})
