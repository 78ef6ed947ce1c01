"""One durable record a task: written whole or not at all, found again by name and by what went in.

A record is a folder `NAME/` with the task's files and `record.json`, which holds the digest of the
task's inputs and the SHA-256 of each file. A record whose inputs' digest differs, or whose files
do not match, is not used: the task is done again.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Result = TypeVar("Result")
Files = Mapping[str, bytes]


class Store:
    """Records under one folder; safe against being killed at any moment.

    folder : where the records lie; None keeps nothing (every task is done when asked for)
    context : what every record here also depends on, such as the versions of the packages
    """

    def __init__(self, folder: Path | None, context: str = "") -> None:
        self.folder = folder
        self.context = context

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
        if self.folder is None:
            return None
        place = self.folder / name
        try:
            record = json.loads((place / "record.json").read_text(encoding="utf-8"))
            if record["inputs"] != inputs or record["context"] != self.context:
                return None
            files = {file: (place / file).read_bytes() for file in record["files"]}
        except (OSError, ValueError, KeyError, TypeError):
            return None
        intact = all(hashlib.sha256(data).hexdigest() == record["files"][file] for file, data in files.items())
        return files if intact else None

    def write(self, name: str, inputs: str, files: Files) -> None:
        """Record a result: a folder beside the final one, renamed when it is complete."""
        assert self.folder is not None
        place = self.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
        try:
            for file, data in files.items():
                (draft / file).write_bytes(data)
            digests = {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
            write_text(draft / "record.json", to_json({"inputs": inputs, "context": self.context, "files": digests}))
            if place.exists():
                shutil.rmtree(place)
            os.replace(draft, place)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise


def digest(*parts: Any) -> str:
    """SHA-256 of arrays, tables, bytes, text and plain JSON values, in order; types and shapes count."""
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
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(draft, 0o644)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, in UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def dump_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as an .npz file's bytes, the same for the same arrays."""
    objects = [name for name, array in arrays.items() if np.asarray(array).dtype.hasobject]
    if objects:
        raise TypeError(f"arrays of Python objects are not stored: {', '.join(objects)}")
    buffer = io.BytesIO()
    np.savez(buffer, **dict(arrays))  # type: ignore[arg-type]  # the stubs take a name for `allow_pickle`
    return buffer.getvalue()


def load_arrays(data: bytes) -> dict[str, np.ndarray]:
    """Arrays from an .npz file's bytes; nothing in it is executed."""
    with np.load(io.BytesIO(data), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
