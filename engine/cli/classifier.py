"""``phrasemill classifier``: train a sentence model, and score one on labelled sentences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from phrasemill.engine.cli.output import say, show, show_json
from phrasemill.schemas.errors import ConfigError

if TYPE_CHECKING:
    from phrasemill.engine.classifier_text import Example
    from phrasemill.engine.classifier_train import LabelScore

app = typer.Typer(help="Sentence models: train, eval.", no_args_is_help=True, rich_markup_mode=None)

DEFAULT = "default"

Data = Annotated[
    list[str],
    typer.Argument(
        metavar="DATA...", help="JSONL, Parquet or TSV with text and label; default: the project's own text."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def train(
    data: Data,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="MODEL", help="A file to write, ending in .bin.")],
    precision: Annotated[float, typer.Option(min=0.5, max=1.0, help="What thresholds reach on held-out text.")] = 0.98,
    seed: Annotated[int, typer.Option(min=0, help="Of the held-out split and of training.")] = 1,
    backend: Annotated[
        Literal["static", "fasttext"],
        typer.Option(help="static: with a net over word vectors."),
    ] = "static",
    as_json: Json = False,
) -> None:
    """Train a model on labelled sentences and write it with its record."""
    from phrasemill.engine.classifier_train import FLOORS
    from phrasemill.engine.classifier_train import train as train_model

    if out.suffix != ".bin":
        raise ConfigError(f"--out: got {str(out)!r}, expected a name that ends in .bin")
    floors = FLOORS if data == [DEFAULT] else None
    scores = train_model(_examples(data, seed), out, precision=precision, backend=backend, seed=seed, floors=floors)
    _print(scores, as_json)


@app.command("eval")
def evaluate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model file, or default for the shipped one.")],
    data: Data,
    as_json: Json = False,
) -> None:
    """Print precision and recall of a model for each label."""
    from phrasemill.engine.classifier_train import evaluate as score
    from phrasemill.filters.classifier_model import SHIPPED, SentenceModel

    path = SHIPPED if model == DEFAULT else Path(model)
    _print(score(SentenceModel(path), _examples(data, 1)), as_json)


def _examples(data: list[str], seed: int) -> list[Example]:
    from phrasemill.engine.classifier_data import read_examples
    from phrasemill.engine.classifier_text import training_text

    if data == [DEFAULT]:
        return training_text(seed)
    return read_examples([Path(each) for each in data])


def _print(scores: list[LabelScore], as_json: bool) -> None:
    import pyarrow as pa

    from phrasemill.engine.display import result_table

    rows = [each.as_row() for each in scores]
    if as_json:
        show_json(rows)
        return
    rounded = [
        {key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()} for row in rows
    ]
    show(result_table(pa.Table.from_pylist(rounded), max_rows=len(rounded)))
    say(f"{len(rows)} labels")
