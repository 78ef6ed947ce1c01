"""Archives that tests open and pack again otherwise: stored estimators, and bundles."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from validkit.bundle import archive as archives


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive, by name."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(parts: Mapping[str, bytes | str]) -> bytes:
    """An archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def forged(path: Path, members: dict[str, bytes], **manifest: Any) -> Path:
    """What somebody writes who knows the format: every digest in the manifest is right."""
    told = json.loads(members["manifest.json"])
    for name, data in members.items():
        if name != "manifest.json":
            rows = told["members"].get(name, {}).get("training_rows", False)
            told["members"][name] = {
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
                "training_rows": rows,
            }
    told["members"] = {name: member for name, member in told["members"].items() if name in members}
    archives.write_archive(path, {**members, "manifest.json": json.dumps({**told, **manifest}).encode()})
    return path
