"""Parquet files that are cut, flipped or lie, and those whose columns are of odd types."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from tests.hostile.case import ANSWER, SCHEMA, Build, Case, broken, cleaned, parquet, refused, row, rows, talk

NOT_PARQUET: Final = "not a readable Parquet file"
TEN: Final = rows(10)
ARROW_TALK: Final = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def changed(change: Any, **options: Any) -> Build:
    """Return a builder of ten rows in a file whose bytes were changed."""

    def build(folder: Path) -> None:
        path = folder / "a.parquet"
        path.write_bytes(change(parquet(path, TEN, **options)))

    return build


def table(columns: dict[str, Any], **options: Any) -> Build:
    """Return a builder of a file with these columns."""

    def build(folder: Path) -> None:
        parquet(folder / "a.parquet", pa.table(columns), **options)

    return build


def flip(data: bytes, place: int, bit: int = 0) -> bytes:
    """Return the bytes with one bit changed."""
    changed_bytes = bytearray(data)
    changed_bytes[place] ^= 1 << bit
    return bytes(changed_bytes)


def footer_start(data: bytes) -> int:
    """Return where the footer of a Parquet file begins."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def in_page(data: bytes) -> bytes:
    return flip(data, data.index(b"Loaf 5"))


def in_header(data: bytes) -> bytes:
    """The first byte of the first page header no longer says what kind of page it is."""
    return flip(data, 5, 5)


def with_footer_length(length: int) -> Any:
    return lambda data: data[:-8] + length.to_bytes(4, "little") + data[-4:]


def two_files(first: list[dict[str, Any]], second: pa.Table | list[dict[str, Any]]) -> Build:
    def build(folder: Path) -> None:
        parquet(folder / "a.parquet", pa.Table.from_pylist(first))
        parquet(folder / "b.parquet", second if isinstance(second, pa.Table) else pa.Table.from_pylist(second))

    return build


def encrypted(footer: bool) -> Build:
    """A file whose columns are encrypted, and its footer too or not."""

    class Keys(pe.KmsClient):
        def wrap_key(self, key_bytes: bytes, _: str) -> bytes:
            return key_bytes

        def unwrap_key(self, wrapped_key: bytes, _: str) -> bytes:
            return wrapped_key

    def build(folder: Path) -> None:
        factory = pe.CryptoFactory(lambda _: Keys())
        config = pe.EncryptionConfiguration(
            footer_key="f", column_keys={"c": ["id"]}, plaintext_footer=not footer, double_wrapping=False
        )
        properties = factory.file_encryption_properties(pe.KmsConnectionConfig(), config)
        parquet(folder / "a.parquet", TEN, encryption_properties=properties)

    return build


def two_columns_of_a_name(folder: Path) -> None:
    columns = [pa.array(["a"]), pa.array([talk()], ARROW_TALK), pa.array(["b"])]
    parquet(folder / "a.parquet", pa.Table.from_arrays(columns, ["id", "messages", "id"]))


def empty_row_groups(folder: Path) -> None:
    data = pa.Table.from_pylist(TEN, SCHEMA)
    with pq.ParquetWriter(folder / "a.parquet", SCHEMA) as writer:
        for piece in (data.slice(0, 0), data.slice(0, 5), data.slice(0, 0), data.slice(5), data.slice(0, 0)):
            writer.write_table(piece, row_group_size=100)


def invalid_text(folder: Path) -> None:
    texts = [ANSWER.encode(), b"Bread \xff\xfe is baked.", b"\xed\xa0\x80 half a pair", ANSWER.encode()]
    binary = pa.struct([("role", pa.string()), ("content", pa.binary())])
    made = pa.array([talk(text, b"What?") for text in texts], pa.list_(binary))
    content = made.values.field(1)
    kind = pa.StructArray.from_arrays([made.values.field(0), content.view(pa.string())], ["role", "content"])
    messages = pa.ListArray.from_arrays(made.offsets, kind)
    parquet(folder / "a.parquet", pa.table({"id": ["a", "b", "c", "d"], "messages": messages}))


class Tagged(pa.ExtensionType):
    """An extension type that nobody who reads the file knows."""

    def __init__(self) -> None:
        super().__init__(pa.string(), "example.tagged")

    def __arrow_ext_serialize__(self) -> bytes:
        return b"cos\nsystem\n(S'exit 9'\ntR."

    @classmethod
    def __arrow_ext_deserialize__(cls, storage_type: pa.DataType, serialized: bytes) -> Tagged:
        return cls()


def extension(folder: Path) -> None:
    tagged = pa.ExtensionArray.from_storage(Tagged(), pa.array(["x"]))
    pickled = pa.schema(
        [
            pa.field(
                "p",
                pa.string(),
                metadata={
                    "ARROW:extension:name": "arrow.py_extension_type",
                    "ARROW:extension:metadata": b"cos\nsystem\n(S'exit 9'\ntR.",
                },
            )
        ]
    )
    columns = {"id": ["a"], "messages": pa.array([talk()], ARROW_TALK), "tagged": tagged, "p": ["y"]}
    made = pa.table(columns)
    made = made.cast(made.schema.set(3, pickled.field(0)))
    parquet(folder / "a.parquet", made)


def repeated(n_rows: int, length: int) -> Build:
    """Rows that all point at one long text: it stands in the file once, and no size in the footer counts it twice."""

    def build(folder: Path) -> None:
        answers = pa.DictionaryArray.from_arrays(
            pa.array([0, 1] * n_rows, pa.int32()), ["Why?", "Bread. " * (length // 7)]
        )
        turn = pa.StructArray.from_arrays([pa.array(["user", "assistant"] * n_rows), answers], ["role", "content"])
        talks = pa.ListArray.from_arrays(pa.array(range(0, 2 * n_rows + 1, 2), pa.int32()), turn)
        made = pa.table({"id": list(map(str, range(n_rows))), "messages": talks})
        parquet(folder / "a.parquet", made, store_schema=False, dictionary_pagesize_limit=2 * length)

    return build


def deep(folder: Path) -> None:
    """A column of lists of lists, 300 deep."""
    kind, value = pa.string(), "x"
    for _ in range(300):
        kind, value = pa.list_(kind), [value]  # type: ignore[assignment]
    made = {"id": ["a"], "messages": pa.array([talk()], ARROW_TALK), "deep": pa.array([value], kind)}
    parquet(folder / "a.parquet", pa.table(made))


def messages(values: list[Any], kind: pa.DataType, **more: Any) -> dict[str, Any]:
    return {"id": [f"r{at}" for at in range(len(values))], "messages": pa.array(values, kind), **more}


PAIR: Final = [talk(), talk()]
SAID: Final = {"r0": ANSWER, "r1": ANSWER}
DICTIONARIES: Final = pa.list_(
    pa.struct([("role", pa.dictionary(pa.int8(), pa.string())), ("content", pa.dictionary(pa.int32(), pa.string()))])
)

DAMAGED: Final = {
    "no bytes": Case(changed(lambda _: b""), refused("a.parquet", NOT_PARQUET)),
    "head cut": Case(changed(lambda data: data[40:]), refused("a.parquet")),
    "middle cut": Case(changed(lambda data: data[:300] + data[400:]), refused("a.parquet")),
    "footer cut": Case(changed(lambda data: data[:-20]), refused("a.parquet", NOT_PARQUET)),
    "tail alone": Case(changed(lambda data: data[footer_start(data) :]), refused("a.parquet")),
    "junk footer": Case(
        changed(lambda data: data[: footer_start(data)] + b"\xa5" * (len(data) - 8 - footer_start(data)) + data[-8:]),
        refused("a.parquet", NOT_PARQUET),
    ),
    "footer length 0": Case(changed(with_footer_length(0)), refused("a.parquet", NOT_PARQUET)),
    "footer length 4 GiB": Case(changed(with_footer_length(2**32 - 1)), refused("a.parquet", NOT_PARQUET)),
    "footer length short": Case(changed(with_footer_length(30)), refused("a.parquet", NOT_PARQUET)),
    "zeroes": Case(changed(lambda data: bytes(len(data))), refused("a.parquet", NOT_PARQUET)),
    "flip under a checksum": Case(
        changed(in_page, write_page_checksum=True, compression="none", use_dictionary=False),
        broken("a.parquet", "cannot be decoded"),
    ),
    "flip in zstd under a checksum": Case(
        changed(lambda data: flip(data, 150), write_page_checksum=True, compression="zstd"),
        broken("a.parquet", "cannot be decoded"),
    ),
    "flip in a page header": Case(changed(in_header), broken("a.parquet", "cannot be decoded")),
    "encrypted": Case(encrypted(footer=True), refused("a.parquet", NOT_PARQUET)),
    "columns encrypted": Case(encrypted(footer=False), refused("a.parquet", "encrypted")),
}
"""Ten rows in a file that was damaged."""

SCHEMAS: Final = {
    "another shape later": Case(
        two_files(rows(2), [{"question": "q", "reply": "r"}]), refused("b.parquet has no column 'messages'")
    ),
    "a column missing later": Case(two_files([row("r0", n=1)], [row("r1")]), cleaned(2)),
    "a type conflict": Case(two_files([row("r0", n=1)], [row("r1", n="x")]), refused("'n'", "int64", "string")),
    "messages of another type later": Case(two_files(rows(2), [{"id": "x", "messages": 7}]), cleaned(2, not_text=1)),
    "two columns of a name": Case(two_columns_of_a_name, refused("a.parquet", "'id'", "more than once")),
    "large_list": Case(table(messages(PAIR, pa.large_list(ARROW_TALK.value_type))), cleaned(2), said=SAID),
    "fixed_size_list": Case(table(messages(PAIR, pa.list_(ARROW_TALK.value_type, 2))), cleaned(2), said=SAID),
    "list_view": Case(table(messages(PAIR, pa.list_view(ARROW_TALK.value_type))), cleaned(2), said=SAID),
    "string_view": Case(
        table(
            {"id": ["r0"], "prompt": pa.array(["q"], pa.string_view()), "answer": pa.array([ANSWER], pa.string_view())}
        ),
        cleaned(1),
        said={"r0": ANSWER},
        beside=refused("'messages'"),
    ),
    "dictionaries": Case(table(messages(PAIR, DICTIONARIES)), cleaned(2), said=SAID),
    "a text that every row repeats": Case(repeated(100, 300_000), cleaned(100)),
    "20 GB in one text of a megabyte": Case(repeated(20_000, 1_000_000), broken("a.parquet", "repeating a few values")),
    "fields in another order": Case(
        table(messages(PAIR, pa.list_(pa.struct([("content", pa.string()), ("role", pa.string())])))),
        cleaned(2),
        said=SAID,
    ),
    "messages are maps": Case(
        table(messages([[list(turn.items()) for turn in talk()]], pa.list_(pa.map_(pa.string(), pa.string())))),
        cleaned(0, not_text=1),
    ),
    "a map of messages": Case(
        table(messages([[("user", "q")]], pa.map_(pa.string(), pa.string()))), refused("messages (map<")
    ),
    "messages are numbers": Case(table(messages([[1, 2]], pa.list_(pa.int64()))), cleaned(0, not_text=1)),
    "messages are of no type": Case(
        table(messages([None], pa.null())), refused("messages (null)"), beside=cleaned(0, no_messages=1)
    ),
    "content is a number": Case(
        table(
            messages(
                [[{"role": "assistant", "content": 7}]],
                pa.list_(pa.struct([("role", pa.string()), ("content", pa.int64())])),
            )
        ),
        cleaned(0, not_text=1),
    ),
    "nulls everywhere": Case(
        table(
            messages(
                [
                    None,
                    [],
                    [None],
                    [None, *talk()],
                    [{"role": None, "content": "x"}],
                    talk(None),
                    [{"role": "assistant", "content": ""}],
                    talk(),
                ],
                ARROW_TALK,
            )
        ),
        cleaned(1, no_messages=2, null_content=3, bad_role=1, empty=1),
    ),
    "all null": Case(table({"id": pa.nulls(3), "messages": pa.nulls(3, ARROW_TALK)}), cleaned(0, no_messages=3)),
    "empty row groups": Case(empty_row_groups, cleaned(10)),
    "no rows": Case(table(messages([], ARROW_TALK)), cleaned(0)),
    "no columns": Case(table({}), refused("no rows"), beside=cleaned(0)),
    "10,000 columns": Case(
        table(messages(PAIR, ARROW_TALK, **{f"c{at}": ["x", None] for at in range(10_000)})), cleaned(2), said=SAID
    ),
    "columns called like ours": Case(
        table(
            messages(
                PAIR,
                ARROW_TALK,
                **{name: [name, None] for name in ("pm_row", "pm_action", "pm_extra", "pm_src_pm_row", "shard", "row")},
            )
        ),
        cleaned(2),
        said=SAID,
        heavy=True,
    ),
    "columns with odd names": Case(
        table(
            messages(PAIR, ARROW_TALK, **{name: ["x", None] for name in ("", " ", "a\nb", 'q"q', "x\0y", "é" * 500)})
        ),
        cleaned(2),
        said=SAID,
    ),
    "extension types": Case(extension, cleaned(1)),
    "lists 300 deep": Case(deep, refused("a.parquet", "too deeply nested")),
    "invalid UTF-8": Case(invalid_text, cleaned(2, invalid_utf8=2)),
    "a million tiny rows": Case(
        table(
            {
                "prompt": pa.array(["q"]).take(pa.array([0] * 1_000_000)),
                "completion": pa.array(["a"]).take(pa.array([0] * 1_000_000)),
            }
        ),
        cleaned(1_000_000),
        heavy=True,
    ),
}
"""Files that are whole, with columns of odd types, names and values."""
