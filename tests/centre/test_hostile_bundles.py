"""Hostile bundles at a new centre: one clear message each; nothing is written, run or called, and memory is bounded."""

from __future__ import annotations

import io
import json
import pickle
import re
import socket
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.archives import forged, packed, unpacked
from tests.commands import command
from tests.test_bundle import HOSTILE
from validkit.bundle import archive as archives
from validkit.bundle.lineage import NAME as LINEAGE

Parts = dict[str, bytes]
Make = Callable[[Path, Parts], Any]
"""writes the bundle to the path, from the parts of a good one"""
MOST = 80e6
"""bytes that refusing one may take; a good bundle is far smaller"""
FIRST = "estimator.1.0.skops"


class Canary:
    """A pickle that leaves a file behind where it is run."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (Path(self.file), "sang"))


def raw(change: Callable[[bytes], bytes]) -> Make:
    def make(path: Path, parts: Parts) -> None:
        archives.write_archive(path, parts)
        path.write_bytes(change(path.read_bytes()))

    return make


def member(name: str, change: Callable[[bytes], bytes]) -> Make:
    """One member changed by somebody who makes every digest right."""
    return lambda path, parts: forged(path, {**parts, name: change(parts[name])})


def manifest(**changes: Any) -> Make:
    return lambda path, parts: forged(path, parts, **changes)


def added(entry: zipfile.ZipInfo) -> Make:
    def make(path: Path, parts: Parts) -> None:
        archives.write_archive(path, parts)
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(entry, b"0" * 1000)

    return make


def inside(change: Callable[[Parts], Parts]) -> Make:
    """The members of the first stored estimator changed."""
    return member(FIRST, lambda data: packed(change(unpacked(data))))


def bomb(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", b"0" * 400_000_000)


def many(path: Path, parts: Parts) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(12_000):
            archive.writestr(f"m{number}", b"")


def squeezed(data: bytes) -> bytes:
    """A stored estimator whose schema unpacks to a thousand times its size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in unpacked(data).items():
            archive.writestr(name, content + b" " * 300_000_000 if name == "schema.json" else content)
    return buffer.getvalue()


def endless(parts: Parts) -> Parts:
    """An array that claims a terabyte."""
    name = next(one for one in parts if one.endswith(".npy"))
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (125000000000,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return {**parts, name: b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"0" * 80}


def planted(kind: str) -> Make:
    def make(path: Path, parts: Parts) -> None:
        trap = pickle.dumps(Canary(str(path.parent / "canary")))
        if kind == "array":
            buffer = io.BytesIO()
            np.save(buffer, np.array([Canary(str(path.parent / "canary"))], dtype=object), allow_pickle=True)
            own = unpacked(parts[FIRST])
            name = next(one for one in own if one.endswith(".npy"))
            forged(path, {**parts, FIRST: packed({**own, name: buffer.getvalue()})})
        else:
            forged(path, {**parts, kind: trap})

    return make


def schema(old: str, new: str) -> Make:
    def change(parts: Parts) -> Parts:
        text = parts["schema.json"].decode()
        assert old in text, old
        return {**parts, "schema.json": text.replace(old, new, 1).encode()}

    return inside(change)


def of_json(name: str, change: Callable[[Any], Any]) -> Make:
    def altered(data: bytes) -> bytes:
        told = json.loads(data)
        change(told)
        return json.dumps(told).encode()

    return member(name, altered)


def predicted_otherwise(told: Any) -> None:
    told["predictions"][0]["lr"][1] += 1e-4


BUNDLES: dict[str, tuple[Make, str]] = {
    **{f"a member that is {name}": (added(entry), message) for name, (entry, message) in HOSTILE.items()},
    "empty": (raw(lambda _: b""), "damaged or no bundle"),
    "no archive": (raw(lambda _: b"\x89PNG" * 400), "damaged or no bundle"),
    "half": (raw(lambda data: data[: len(data) // 2]), "damaged or no bundle"),
    "a byte short": (raw(lambda data: data[:-1]), "damaged"),
    "a byte long": (raw(lambda data: data + b"x"), "damaged"),
    "something before it": (raw(lambda data: b"MZ" + data), "damaged"),
    "a bit turned": (raw(lambda data: data[:9000] + bytes([data[9000] ^ 1]) + data[9001:]), "damaged"),
    "a bomb": (bomb, "is compressed"),
    "very many members": (many, "at most 10000"),
    "members swapped": (
        lambda path, parts: archives.write_archive(path, {**parts, FIRST: parts["estimator.1.1.skops"]}),
        "was changed: its SHA-256",
    ),
    "a member away": (
        lambda path, parts: archives.write_archive(path, {k: v for k, v in parts.items() if k != FIRST}),
        "is missing",
    ),
    "a member more": (lambda path, parts: forged(path, {**parts, "setup.py": b"print()"}), "is not one of this model"),
    "no manifest": (
        lambda path, parts: archives.write_archive(path, {k: v for k, v in parts.items() if k != "manifest.json"}),
        "has no manifest.json",
    ),
    "a manifest of another kind": (manifest(kind="plnm"), "`kind` does not agree"),
    "a format to come": (manifest(format=99), "this validkit knows formats"),
    "a key that is none": (manifest(exec="rm -rf /"), "exec: Extra inputs"),
    "a threshold of 7": (manifest(thresholds={"lr": 7}), "thresholds"),
    "a protocol that was altered": (
        member("protocol.json", lambda data: data.replace(b"Does it travel?", b"Does it fly?")),
        "its digest is",
    ),
    "a protocol without end": (member("protocol.json", lambda _: b"[" * 200_000), "cannot be read by this validkit"),
    "numbers without end": (
        member("copy.1.json", lambda data: data.replace(b'"copies": 1', b'"copies": ' + b"9" * 5000)),
        "Copy cannot be read",
    ),
    "a planted pickle": (planted(FIRST), ""),
    "a pickle among records": (planted("copy.1.json"), ""),
    "a pickle in an array": (planted("array"), ""),
    "a forbidden type": (
        schema('"__class__":"Scale","__module__":"validkit.tabular.steps"', '"__class__":"system","__module__":"os"'),
        "types that validkit does not trust",
    ),
    "a forbidden node": (schema('"__loader__":"ObjectNode"', '"__loader__":"ReduceNode"'), "does not trust"),
    "an estimator that is a bomb": (member(FIRST, squeezed), ""),
    "an array of a terabyte": (inside(endless), ""),
    "a reference case predicted otherwise": (
        of_json("reference.json", predicted_otherwise),
        "a reference case is predicted otherwise here",
    ),
    "a reference case of nobody": (of_json("reference.json", lambda told: told["cells"].pop()), "does not fit"),
    "a lineage from nowhere": (lambda path, parts: forged(path, {**parts, LINEAGE: b"{}"}), "lineage.json"),
    "a case mix that does not hold": (
        lambda path, parts: forged(
            path, parts, case_mix=json.loads(parts["manifest.json"])["case_mix"] | {"features": "all"}
        ),
        "case_mix",
    ),
    "training rows denied": (
        lambda path, parts: forged(
            path,
            {
                **parts,
                "manifest.json": parts["manifest.json"].replace(b'"training_rows": false', b'"training_rows": true', 1),
            },
        ),
        "rows of training patients, and manifest.json says otherwise",
    ),
}  # fmt: skip


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without a network."""

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("something calls out")

    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket.socket, "connect", refused)
    return tmp_path


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_hostile_bundles_are_refused(
    name: str, bundle: Path, away: Path, machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, message = BUNDLES[name]
    path = machine / "hostile.zip"
    make(path, unpacked(bundle.read_bytes()))
    tracemalloc.start()
    try:
        found = command("external", path, "--cohort", away, "--out", machine / "run", "--engine", "sequential")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = capsys.readouterr().err
    assert found == 2
    assert said.count("error:") == 1
    assert re.search(message, said), said
    assert "hostile.zip" in said
    assert "Traceback" not in said
    assert len(said) < 3000
    assert [file.name for file in machine.iterdir()] == ["hostile.zip"]
    assert peak < MOST


def test_there_are_fifty_of_them() -> None:
    assert len(BUNDLES) >= 50
