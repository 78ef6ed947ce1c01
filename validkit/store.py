"""One durable record a task: written whole or not at all, found again by name and by what went in.

A record is a folder `NAME/` with the task's files and `record.json`, which holds the digest of the
task's inputs and the SHA-256 of each file. A record whose inputs' digest differs, or whose files
do not match, is not used: the task is done again. A finished record outlives a killed process and
a power cut; one that is replaced is set aside until the new one is in its place.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from validkit.durable import (
    asides_of,
    draft_name,
    explained,
    make_folder,
    put_in_place,
    sweep,
    sync_folder,
    write_bytes,
    write_synced,
    write_text,
)
from validkit.locks import hold

if TYPE_CHECKING:
    import numpy as np

__all__ = [
    "Files",
    "Store",
    "digest",
    "dump_arrays",
    "hold",
    "load_arrays",
    "to_json",
    "write_bytes",
    "write_text",
]

Result = TypeVar("Result")
Files = Mapping[str, bytes]


class Store:
    """Records under one folder; safe against being killed at any moment. What killed writers left is swept.

    folder : where the records lie; None keeps nothing (every task is done when asked for)
    context : what every record here also depends on, such as the versions of the packages
    """

    def __init__(self, folder: Path | None, context: str = "") -> None:
        self.folder = folder
        self.context = context
        if folder is not None:
            sweep(folder)

    def remember(
        self,
        name: str,
        inputs: str,
        compute: Callable[[], Result],
        *,
        dump: Callable[[Result], Files],
        load: Callable[[Files], Result],
    ) -> Result:
        """The task's result: from its record where one with these inputs is there, else computed and recorded.

        name : path of the record, such as "classifiers/fusion/svm"
        inputs : digest of everything that the result depends on
        """
        files = self.read(name, inputs)
        if files is not None:
            return load(files)
        result = compute()
        if self.folder is not None:
            self.write(name, inputs, dump(result))
        return result

    def read(self, name: str, inputs: str) -> dict[str, bytes] | None:
        """The files of a record, or None where there is none with these inputs."""
        for place in self._places(name):
            files = self._intact(place, inputs)
            if files is not None:
                return files
        return None

    def scratch(self, name: str) -> Path | None:
        """A file beside the record of that name, for what an unfinished task keeps; None where nothing is kept."""
        return None if self.folder is None else self.folder / f"{name}.unfinished"

    def _places(self, name: str) -> Iterator[Path]:
        """Where a record may lie: in its place, set aside by a writer that was killed, or just put back."""
        if self.folder is None:
            return
        place = self.folder / name
        yield place
        yield from asides_of(place)
        yield place

    def _intact(self, place: Path, inputs: str) -> dict[str, bytes] | None:
        """The files of the record in a folder, where it is whole and made of these inputs."""
        try:
            record = json.loads((place / "record.json").read_text(encoding="utf-8"))
            if record["inputs"] != inputs or record["context"] != self.context:
                return None
            files = {file: (place / _plain_name(file)).read_bytes() for file in record["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        intact = all(hashlib.sha256(data).hexdigest() == record["files"][file] for file, data in files.items())
        return files if intact else None

    def write(self, name: str, inputs: str, files: Files) -> None:
        """Record a result: a folder beside the final one, written through to the disk and then put in its place.

        Raises InputError, and leaves no draft, where the disk is full or the folder cannot be written.
        """
        assert self.folder is not None
        place = self.folder / name
        digests = {_plain_name(file): hashlib.sha256(data).hexdigest() for file, data in files.items()}
        record = to_json({"inputs": inputs, "context": self.context, "files": digests})
        with explained(place):
            make_folder(place.parent)
            draft = place.parent / draft_name()
            try:
                draft.mkdir()
                for file, data in {**files, "record.json": record.encode("utf-8")}.items():
                    write_synced(draft / file, data)
                sync_folder(draft)
                put_in_place(draft, place)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise


def _plain_name(file: str) -> str:
    """A file of a record lies in the record's folder and nowhere else."""
    if not file or file in (".", "..", "record.json") or any(mark in file for mark in ("/", "\\", "\0", ":")):
        raise ValueError(f"a record's file needs a plain name; got {file!r}")
    return file


def digest(*parts: Any) -> str:
    """SHA-256 of arrays, tables, bytes, text and plain JSON values, in order; types and shapes count."""
    import numpy as np

    sha = hashlib.sha256()
    for part in parts:
        if hasattr(part, "columns") and hasattr(part, "to_numpy"):
            values = np.ascontiguousarray(part.to_numpy(dtype=np.float64))
            header: Any = ["table", list(map(str, part.columns)), list(map(str, part.index)), values.shape]
        elif isinstance(part, np.ndarray):
            values = np.ascontiguousarray(part)
            header = ["array", str(values.dtype), values.shape]
        elif isinstance(part, bytes):
            values, header = np.frombuffer(part, dtype=np.uint8), ["bytes", len(part)]
        else:
            values, header = None, ["json", part]
        sha.update(json.dumps(header, sort_keys=True).encode() + b"\0")
        if values is not None:
            sha.update(values.tobytes())
    return sha.hexdigest()


def to_json(value: Any) -> str:
    """JSON text, readable and with sorted keys; NaN is refused rather than written."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as Python's."""
    import numpy as np

    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as an .npz file's bytes, the same for the same arrays."""
    import numpy as np

    objects = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if objects:
        raise TypeError(f"arrays of Python objects are not stored: {', '.join(objects)}")
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]  # the stubs take a name for `allow_pickle`
    return buffer.getvalue()


def load_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Arrays from an .npz file's bytes; nothing in it is executed."""
    import numpy as np

    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def dig(mapping: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """The value under a dotted path of nested mappings, or `default`."""
    value: Any = mapping
    for key in path.split("."):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value
