"""The application: every command under its name, and every error as one message and its exit code."""

from __future__ import annotations

import traceback
from typing import Annotated

import typer

from phrasemill import __version__
from phrasemill.engine.cli import (
    after,
    before,
    classifier,
    conform,
    diff,
    generate,
    judge,
    mine,
    probe,
    rules,
    runs,
    sample,
    traits,
)
from phrasemill.engine.cli.output import complain, prepare_streams
from phrasemill.schemas.errors import PhrasemillError

app = typer.Typer(
    name="phrasemill",
    help="Takes the tics out of chat training data and puts character in.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    before.init,
    before.validate,
    before.plan,
    runs.run,
    runs.scan,
    runs.clean,
    mine.mine,
    generate.generate,
    sample.sample,
    probe.probe,
    conform.conform,
    after.explain,
    diff.diff,
    after.verify,
    after.quarantine,
    after.catalog,
    after.sql,
):
    app.command()(command)
app.add_typer(classifier.app, name="classifier")
app.add_typer(judge.app, name="judge")
app.add_typer(rules.app, name="rules")
app.add_typer(traits.app, name="traits")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"phrasemill {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Takes the tics out of chat training data and puts character in."""


def main() -> int:
    """Run the command line in ``sys.argv``. Return 0, or the exit code of the error that was printed.

    Usage errors, ``--help`` and a second interrupt leave through SystemExit, with 2, 0 and 130.
    """
    prepare_streams()
    try:
        app(prog_name="phrasemill")
    except PhrasemillError as error:
        complain(f"error: {error}")
        return error.exit_code
    except OSError as error:
        complain(f"error: {error.filename or 'the file system'}: {error.strerror or error}")
        return 2
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:  # the last resort: whatever it is, it is not the user's fault
        complain(f"{traceback.format_exc()}error: this is a bug in phrasemill {__version__}; please report the above")
        return 1
    return 0
