"""Paths in cohort.csv: relative to the folder, inside it, of a file."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from validkit.cohort.faults import ImageError
from validkit.cohort.table import nearest

_DRIVE = re.compile(r"[A-Za-z]:")


def resolve(folder: Path, text: str) -> Path:
    """The file that a cell names, as `folder / text`; Windows separators are accepted.

    Raises ImageError for absolute paths, "..", links that lead outside, folders and files that are not there.
    """
    inside = "write a path relative to the folder of cohort.csv, of a file inside it"
    name = text.replace("\\", "/")
    if name.startswith(("/", "~")) or _DRIVE.match(name):
        raise ImageError("path", f"{text!r} is an absolute path", inside)
    if ".." in name.split("/"):
        raise ImageError("path", f"{text!r} leads out of the folder", inside)
    path = folder / name
    try:
        within = path.resolve().is_relative_to(folder.resolve())
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        raise ImageError("path", f"{text[:80]!r} cannot be a path ({error})", inside) from error
    if not within:
        raise ImageError("path", f"{text!r} is a link that leads out of the folder", inside)
    if is_folder:
        raise ImageError("path", f"{text!r} is a folder", "name the file of one picture")
    if not is_file:
        raise ImageError("file-missing", f"{text!r} is not there{_like(path)}", "correct the path or bring the file")
    return path


def _like(path: Path) -> str:
    """A file with the same name but another ending or case, or a similar name, in the same folder."""
    try:
        names = sorted(p.name for p in path.parent.iterdir() if p.is_file())
    except OSError:
        return f" (nor is the folder {path.parent.name!r})"
    same = [n for n in names if n.casefold() == path.name.casefold() or n.startswith(path.name + ".")]
    return f"; did you mean {same[0]!r}?" if same else nearest(path.name, names)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes; an ImageError where it is not there or cannot be opened."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError("file-missing", f"{path.name!r} is not there", "correct the path or bring the file") from error
    except OSError as error:
        raise ImageError(
            "unreadable", f"{path.name!r} cannot be opened ({error.strerror})", "check the file"
        ) from error


def changed_file(path: Path, digest: str | None) -> ImageError | None:
    """What is wrong where a file vanished, cannot be opened or changed since its digest was taken; else None.

    digest : SHA-256 of its bytes as the cohort was read; None is not compared
    """
    try:
        now = file_digest(path)
    except ImageError as error:
        return error
    if digest is None or now == digest:
        return None
    message = f"{path.name!r} changed after the cohort was read (SHA-256 {digest[:12]} then, {now[:12]} now)"
    return ImageError("file-changed", message, "bring the file back as it was, or start again with the new one")
