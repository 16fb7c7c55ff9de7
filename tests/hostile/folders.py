"""Folders whose names, links and entries are odd."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Final

from tests.hostile.case import Case, cleaned, line, parquet, refused, row, rows

NAMES: Final = (
    "with space.jsonl",
    'quo"te.jsonl',
    "apo'strophe.jsonl",
    "new\nline.jsonl",
    "tab\there.jsonl",
    "brot-\u00e4\u98df.jsonl",
    "right\u202elnosj.jsonl",
    "-dash.jsonl",
    "--out.jsonl",
    "[x].jsonl",
    "a*b?.jsonl",
    "back\\slash.jsonl",
    "percent%20.jsonl",
    "$(touch x).jsonl",
    "hash#1.jsonl",
    "a::b.jsonl",
    "colon:.jsonl",
    "dots..jsonl",
    "UPPER.JSONL",
)


def named(folder: Path) -> None:
    for at, name in enumerate(NAMES):
        (folder / name).write_bytes(line(row(f"r{at}")))


def named_one_by_one(folder: Path) -> list[object]:
    named(folder)
    return [*(folder / name for name in NAMES), *folder.glob("zz-*")]


def parent(folder: Path) -> list[object]:
    (folder / "deep").mkdir()
    (folder / "a.jsonl").write_bytes(line(row()))
    return [folder / "deep" / ".." / "a.jsonl", *folder.glob("zz-*")]


def link_out(folder: Path) -> None:
    outside = folder.parent / "elsewhere.jsonl"
    outside.write_bytes(line(row()))
    (folder / "a.jsonl").symlink_to(outside)


def folder_link_out(folder: Path) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir(exist_ok=True)
    (outside / "x.jsonl").write_bytes(line(row()))
    (folder / "a.jsonl").write_bytes(line(row()))
    (folder / "linked").symlink_to(outside)


def folder_link_in(folder: Path) -> None:
    (folder / "v1").mkdir()
    (folder / "v1" / "x.jsonl").write_bytes(line(row()))
    (folder / "latest").symlink_to("v1")


def loop(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "a.jsonl").write_bytes(line(row()))
    (folder / "deep" / "round").symlink_to(folder)
    (folder / "itself").symlink_to("itself")


def loop_of_files(folder: Path) -> None:
    (folder / "a.jsonl").symlink_to("b.jsonl")
    (folder / "b.jsonl").symlink_to("a.jsonl")


def dangling(folder: Path) -> None:
    (folder / "a.jsonl").symlink_to("gone.jsonl")


def folder_like_a_file(folder: Path) -> None:
    (folder / "x.parquet").mkdir()
    parquet(folder / "x.parquet" / "part-0.parquet", rows(2))
    (folder / "x.parquet" / "_SUCCESS").touch()


def empty_folder_like_a_file(folder: Path) -> None:
    (folder / "x.parquet").mkdir()


def fifo(folder: Path) -> None:
    os.mkfifo(folder / "a.jsonl")


def fifo_by_name(folder: Path) -> list[object]:
    os.mkfifo(folder / "a.jsonl")
    return [folder / "a.jsonl", *folder.glob("zz-*")]


def fifo_by_glob(folder: Path) -> list[object]:
    os.mkfifo(folder / "a.jsonl")
    return [folder / "*"]


def unix_socket(folder: Path) -> None:
    here = os.getcwd()
    os.chdir(folder)  # the name of a socket may only be short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("a.parquet")
    finally:
        os.chdir(here)


def device(folder: Path) -> None:
    (folder / "a.jsonl").symlink_to("/dev/zero")


def unreadable_file(folder: Path) -> None:
    (folder / "a.jsonl").write_bytes(line(row()))
    (folder / "a.jsonl").chmod(0)


def unreadable_folder(folder: Path) -> None:
    (folder / "closed").mkdir()
    (folder / "closed" / "a.jsonl").write_bytes(line(row()))
    (folder / "closed").chmod(0)


def not_root() -> str | None:
    return "root may read everything" if os.geteuid() == 0 else None


def unnameable(folder: Path) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.jsonl")).write_bytes(line(row()))


def nothing_known(folder: Path) -> None:
    (folder / "notes.txt").write_text("x")
    (folder / ".hidden.jsonl").write_bytes(line(row()))


def no_such(folder: Path) -> list[object]:
    return [folder / "gone.jsonl", *folder.glob("zz-*")]


def empty_glob(folder: Path) -> list[object]:
    return [folder / "*.nothing", *folder.glob("zz-*")]


def an_archive_by_name(folder: Path) -> list[object]:
    (folder / "a.tar.gz").write_bytes(b"x")
    return [folder / "a.tar.gz", *folder.glob("zz-*")]


def three_bad_files(folder: Path) -> None:
    (folder / "a.parquet").write_bytes(b"")
    (folder / "b.jsonl").write_bytes(b"not JSON\n")
    (folder / "c.jsonl.gz").write_bytes(b"not gzip")
    parquet(folder / "d.parquet", rows(2))


def forty_bad_files(folder: Path) -> None:
    for at in range(40):
        (folder / f"a{at:02}.parquet").write_bytes(b"x")


FOLDERS: Final = {
    "odd names in a folder": Case(named, cleaned(len(NAMES))),
    "odd names one by one": Case(named_one_by_one, cleaned(len(NAMES))),
    "a path with ..": Case(parent, cleaned(1)),
    "a link to a file outside": Case(link_out, cleaned(1)),
    "a link to a folder outside": Case(folder_link_out, refused("linked", "link")),
    "a link to a folder inside": Case(folder_link_in, cleaned(1)),
    "links in a circle": Case(loop, cleaned(1)),
    "files that link in a circle": Case(loop_of_files, refused("a.jsonl", "b.jsonl")),
    "a link to nothing": Case(dangling, refused("a.jsonl")),
    "a folder like a file": Case(folder_like_a_file, cleaned(2)),
    "an empty folder like a file": Case(empty_folder_like_a_file, refused("matches no file"), beside=cleaned(0)),
    "a FIFO": Case(fifo, refused("a.jsonl", "no regular file")),
    "a FIFO by name": Case(fifo_by_name, refused("a.jsonl", "no regular file")),
    "a FIFO by glob": Case(fifo_by_glob, refused("a.jsonl", "no regular file")),
    "a socket": Case(unix_socket, refused("a.parquet", "no regular file")),
    "a device": Case(device, refused("a.jsonl", "no regular file")),
    "a file without permission": Case(unreadable_file, refused("a.jsonl"), needs=not_root),
    "a folder without permission": Case(unreadable_folder, refused("closed"), needs=not_root),
    "a name that is not UTF-8": Case(unnameable, refused("not UTF-8")),
    "an empty folder": Case(lambda _: None, refused("matches no file"), beside=cleaned(0)),
    "nothing of a known kind": Case(nothing_known, refused("matches no file"), beside=cleaned(0)),
    "no such file": Case(no_such, refused("gone.jsonl", "does not exist")),
    "a glob for nothing": Case(empty_glob, refused("matches no file")),
    "an archive by name": Case(an_archive_by_name, refused("a.tar.gz", "not a file that can be read")),
    "three bad files": Case(three_bad_files, refused("a.parquet", "b.jsonl", "c.jsonl.gz")),
    "forty bad files": Case(forty_bad_files, refused("a00.parquet", "a19.parquet", "20 more")),
}
"""Folders, by what is odd about them."""
