"""Files and folders that outlive a power cut: written whole or not at all; what killed writers left is swept."""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import platform
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from validkit.errors import InputError

DRAFT, ASIDE = ".draft-", ".aside"
SWAPS = 1000
"""Attempts at taking a place that other writers take at the same moment."""
WRITER = re.compile(r"(?:\.draft-)?([0-9a-f]{8})-([0-9]+)-[0-9a-f]{8}(?:-.+)?")
"""Names of our drafts and of what we set aside: the machine, the process, chance, and the place set aside."""
A_DAY = 86_400.0
NO_SYNC = {errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM, errno.EBADF}
"""What file systems answer that cannot sync a folder."""
TAKEN = {errno.ENOTEMPTY, errno.EEXIST}


# --- what a user reads -----------------------------------------------------------------------------


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """A failing disk or folder as an InputError that names the path and the mend."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{str(path)!r} cannot be written ({reason}): {_mend(error, path)}") from error


def _mend(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "free some space there and run again; what was finished is kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"let this user write in {str(path.parent)!r}, or give another folder; what was finished is kept"
    return "look at the disk and the folder and run again; what was finished is kept"


# --- files ---------------------------------------------------------------------------------------------


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; once this returns, a power cut does not undo it."""
    with explained(path):
        make_folder(path.parent)
        draft = path.parent / draft_name()
        try:
            write_synced(draft, data)
            os.replace(draft, path)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_synced(path: Path, data: bytes) -> None:
    """Write a file's bytes through to the disk."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


# --- folders -------------------------------------------------------------------------------------------


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, through to the disk."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Names in a folder through to the disk, where the system can do that."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(handle)


def put_in_place(draft: Path, place: Path) -> None:
    """A finished folder takes its place; what was there is set aside first and removed last.

    At every moment the old or the new folder is there, in its place or aside. Of several writers the last one wins.
    """
    asides: list[Path] = []
    try:
        for attempt in range(SWAPS):
            try:
                os.replace(draft, place)
                break
            except OSError as error:
                if not (error.errno in TAKEN or os.name == "nt") or attempt == SWAPS - 1:
                    raise
            if (aside := _set_aside(place)) is not None:
                asides.append(aside)
    except BaseException:
        if asides and not place.exists():
            os.replace(asides[-1], place)
        raise
    sync_folder(place.parent)
    _remove_asides(asides, place.parent / ASIDE)


def _set_aside(place: Path) -> Path | None:
    """Move a folder aside; None where another writer was faster."""
    folder = place.parent / ASIDE
    aside = folder / (draft_name().removeprefix(DRAFT) + "-" + place.name)
    try:
        folder.mkdir(exist_ok=True)
        os.replace(place, aside)
    except (FileNotFoundError, FileExistsError):  # the other one has moved the place, or is removing its own aside
        return None
    return aside


def _remove_asides(asides: list[Path], folder: Path) -> None:
    for aside in asides:
        shutil.rmtree(aside, ignore_errors=True)
    if asides:
        with suppress(OSError):
            folder.rmdir()


def asides_of(place: Path) -> list[Path]:
    """What was set aside from a place and not yet removed, the latest first."""
    try:
        names = os.listdir(place.parent / ASIDE)
    except OSError:
        return []
    found = [place.parent / ASIDE / name for name in names if name.split("-", 3)[-1] == place.name]
    return sorted(found, key=_changed, reverse=True)


def _changed(path: Path) -> int:
    try:
        return path.stat().st_ctime_ns
    except OSError:
        return 0


# --- what killed writers leave ----------------------------------------------------------------------------


def draft_name() -> str:
    """A new name for something unfinished; it says who writes it."""
    return f"{DRAFT}{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"


@functools.lru_cache(maxsize=1)
def _machine() -> str:
    """This machine, or this container: where the numbers of processes mean something."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return hashlib.sha256(f"{platform.node()}\0{space}".encode()).hexdigest()[:8]


def abandoned(path: Path) -> bool:
    """Whether the writer of a draft (or of something set aside) is gone: dead on this machine, or a day old."""
    writer = WRITER.fullmatch(path.name)
    if writer is None:
        return False
    try:
        if time.time() - path.stat().st_mtime > A_DAY:
            return True
        if writer[1] != _machine() or os.name == "nt":
            return False
        os.kill(int(writer[2]), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def sweep(folder: Path) -> None:
    """Remove the drafts that killed writers left under a folder, and put back what they had set aside."""
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(where, name)
            if name.startswith(DRAFT) and abandoned(path):
                _remove(path)
        if ASIDE in folders:
            _put_back(Path(where, ASIDE))
        folders[:] = [name for name in folders if not name.startswith((DRAFT, ASIDE))]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _put_back(folder: Path) -> None:
    """What dead writers set aside goes back to its place, or away where the place is taken."""
    try:
        asides = sorted(folder.iterdir(), key=_changed, reverse=True)
    except OSError:
        return
    for aside in filter(abandoned, asides):
        place = folder.parent / aside.name.split("-", 3)[-1]
        try:
            os.replace(aside, place)
        except OSError:
            if place.is_dir():
                _remove(aside)
    with suppress(OSError):
        folder.rmdir()


def default_cache() -> Path:
    """$VALIDKIT_CACHE, else `validkit` in the user's cache folder ($XDG_CACHE_HOME or ~/.cache)."""
    if own := os.environ.get("VALIDKIT_CACHE"):
        return Path(own)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "validkit"
