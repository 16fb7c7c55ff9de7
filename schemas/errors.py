"""Every error that phrasemill raises on purpose, each with the exit code that it ends a command with.

    PhrasemillError            1  a bug of ours, when nothing more exact fits
    ├── ConfigError            2  a configuration, a command line or an input that cannot be used
    │   ├── InputError         2  an input file or its schema
    │   ├── PackError          2  a rule pack
    │   ├── TraitError         2  a trait file
    │   ├── OutputError        2  an output folder that cannot be written: full, or without permission; resumable
    │   └── PluginError        2  a filter that does not exist or does not load
    ├── GateError              3  the data failed a gate of the policy
    ├── BackendError           4  a model server is down; the run can be resumed
    │   └── BackendRefused     2  a model server is there and takes no request: a key, an address or a model is wrong
    ├── WorkerError            4  workers or the cluster failed again and again; the run can be resumed
    ├── IntegrityError         5  a checksum, a count or the ledger does not hold
    ├── LockedError            6  another run holds the output folder
    └── Interrupted        130/143  stopped by a signal; the run can be resumed

A message says where, what was got, what was expected and what to do. Errors cross process pools: they pickle.
"""

from __future__ import annotations


class PhrasemillError(Exception):
    """Base of the tree. ``str(error)`` is one message for people; ``exit_code`` is what a command ends with."""

    exit_code: int = 1

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class ConfigError(PhrasemillError):
    """A configuration, option or file that cannot be used."""

    exit_code = 2


class InputError(ConfigError):
    """An input file, folder or schema that cannot be read."""


class PackError(ConfigError):
    """A rule pack that cannot be used: names file, line and rule."""


class TraitError(ConfigError):
    """A trait file that cannot be used: names file and line."""


class OutputError(ConfigError):
    """The output folder cannot be written or read: names the file. The same command goes on once it can be."""


class PluginError(ConfigError):
    """A filter that is unknown, does not load, or does wrong while it runs: names the filter and its package."""


class GateError(PhrasemillError):
    """The data failed a gate that the policy sets; everything was published before this was raised."""

    exit_code = 3


class BackendError(PhrasemillError):
    """A model server cannot be reached or refuses to work; finished requests are kept."""

    exit_code = 4


class BackendRefused(BackendError):
    """A model server refuses a key, an address or a model before it has answered anything: a setting is wrong."""

    exit_code = 2


class WorkerError(PhrasemillError):
    """Worker processes of a shard died again and again, or a cluster cannot be used; what was finished is kept."""

    exit_code = 4


class IntegrityError(PhrasemillError):
    """A checksum, a row count or the ledger does not hold."""

    exit_code = 5


class LockedError(PhrasemillError):
    """Another run holds the output folder."""

    exit_code = 6


class Interrupted(PhrasemillError):
    """Stopped by a signal between two commits. ``exit_code`` is 130 (SIGINT) or 143 (SIGTERM)."""

    def __init__(self, message: str, signal_number: int = 2) -> None:
        super().__init__(message)
        self.signal_number = signal_number
        self.exit_code = 128 + signal_number

    def __reduce__(self) -> tuple[type[Interrupted], tuple[str, int]]:
        return type(self), (self.message, self.signal_number)
