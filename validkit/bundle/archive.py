"""One file of several members, written the same way each time; whatever is not such a file is refused.

A bundle is a zip archive whose members lie side by side, uncompressed and without time, in order of name. So nothing in
it can unpack to more than the file holds, and a file that differs by one byte from what would be written of its own
members has been changed.
"""

from __future__ import annotations

import io
import re
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from validkit.errors import InputError
from validkit.store import Files, write_bytes

__all__ = ["MAX_BYTES", "MAX_MEMBERS", "pack", "unpack", "write_archive"]

MAX_BYTES = 2**31 - 1
"""a larger file is not read"""
MAX_MEMBERS = 10_000
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}")
PIECE = 2**20
AGAIN = "ask for the bundle again, and compare its SHA-256 with the sender's"


def write_archive(path: Path, members: Files) -> None:
    """Write the members whole or not at all."""
    buffer = io.BytesIO()
    pack(buffer, members)
    if buffer.tell() > MAX_BYTES:
        raise InputError(f"{path}: the bundle would have {buffer.tell()} bytes; at most {MAX_BYTES} are written")
    write_bytes(path, buffer.getvalue())


def pack(file: IO[bytes], members: Files) -> None:
    """Write the members into an open file; the same members give the same bytes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(members):
            if not PLAIN.fullmatch(name):
                raise ValueError(f"a member needs a plain name; got {name!r}")
            entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, members[name])


def unpack(path: Path) -> dict[str, bytes]:
    """The members of a bundle, each checked for what it must not be before any is read."""
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise InputError(f"{path} is no file; a bundle is one file")
        if size > MAX_BYTES:
            raise InputError(f"{path} has {size} bytes; a bundle has at most {MAX_BYTES}")
        _check_end(path, size)
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries, size)
            members = {entry.filename: archive.read(entry) for entry in entries}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, struct.error, ValueError, NotImplementedError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is damaged or no bundle: {error}; {AGAIN}") from error
    except RuntimeError as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    _check_layout(path, members, {entry.filename: entry.header_offset for entry in entries})
    return members


def _check_end(path: Path, size: int) -> None:
    """The file ends where an archive of its size does: a file cut short may end inside a stored estimator's archive."""
    end = struct.Struct("<4s4H2LH")
    with path.open("rb") as file:
        file.seek(max(size - end.size, 0))
        tail = file.read()
    if len(tail) == end.size:
        sign, *_, length, offset, comment = end.unpack(tail)
        if sign == b"PK\5\6" and offset + length + end.size == size and not comment:
            return
    raise InputError(f"{path} is damaged or no bundle: it does not end as one, and may have been cut short; {AGAIN}")


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], size: int) -> None:
    if len(entries) > MAX_MEMBERS:
        raise InputError(f"{path} has {len(entries)} members; a bundle has at most {MAX_MEMBERS}")
    seen: set[str] = set()
    for entry in entries:
        wrong = _fault(entry, seen)
        if wrong:
            raise InputError(f"{path}: member {entry.orig_filename!r} {wrong}; nothing of it was read")
        seen.add(entry.filename.casefold())
    declared = sum(entry.file_size for entry in entries)
    if declared > size:
        raise InputError(f"{path}: its members claim {declared} bytes and the file has {size}; nothing of it was read")


def _fault(entry: zipfile.ZipInfo, seen: set[str]) -> str:
    """Why a member is none of a bundle's; "" where nothing is wrong."""
    name = entry.orig_filename
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "has an absolute path"
    if ".." in re.split(r"[/\\]", name):
        return "leads out of its folder (..)"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "is a link"
    if not PLAIN.fullmatch(name) or name != entry.filename:
        return "has no plain name; a bundle has no folders"
    if name.casefold() in seen:
        return "is there twice"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size:
        return f"is compressed ({entry.compress_size} bytes that claim to be {entry.file_size}); a bundle's are not"
    return ""


def _check_layout(path: Path, members: Files, offsets: Mapping[str, int]) -> None:
    """The file is to the byte what `pack` writes of its own members; else the member where it differs is named."""
    with tempfile.TemporaryFile() as again, path.open("rb") as file:
        pack(again, members)
        again.seek(0)
        place = 0
        while True:
            ours, theirs = again.read(PIECE), file.read(PIECE)
            if ours != theirs:
                break
            if not ours:
                return
            place += len(ours)
    differs = (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b)
    place += next(differs, min(len(ours), len(theirs)))
    before = [name for name, offset in sorted(offsets.items(), key=lambda item: item[1]) if offset <= place]
    where = f"near member {before[-1]!r}" if before else "at its beginning"
    raise InputError(f"{path} is damaged {where} (byte {place}): it is not as validkit writes it; {AGAIN}")
