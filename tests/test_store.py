"""Records: whole or not at all, found again only for the same inputs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.store import Store, digest, dump_arrays, load_arrays, to_json, write_bytes


def dump(value: int) -> dict[str, bytes]:
    return {"value.json": str(value).encode()}


def load(files: dict[str, bytes]) -> int:
    return int(files["value.json"])


def remember(store: Store, inputs: str, value: int) -> tuple[int, bool]:
    """The remembered value and whether it had to be computed."""
    computed = []
    found = store.remember("a/task", inputs, lambda: computed.append(1) or value, dump=dump, load=load)  # type: ignore[func-returns-value]
    return found, bool(computed)


def test_a_record_is_found_for_the_same_inputs_alone(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert remember(store, "x", 1) == (1, True)
    assert remember(store, "x", 2) == (1, False)
    assert remember(store, "y", 3) == (3, True)
    assert remember(Store(tmp_path, context="other versions"), "y", 4) == (4, True)


def test_without_a_folder_nothing_is_kept() -> None:
    assert remember(Store(None), "x", 1) == (1, True)
    assert remember(Store(None), "x", 2) == (2, True)


@pytest.mark.parametrize("damage", ["truncate", "edit", "drop", "garble"])
def test_a_damaged_record_is_done_again(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path)
    remember(store, "x", 41)
    file, record = tmp_path / "a/task/value.json", tmp_path / "a/task/record.json"
    match damage:
        case "truncate":
            file.write_bytes(b"4")
        case "edit":
            file.write_bytes(b"42")
        case "drop":
            file.unlink()
        case "garble":
            record.write_text('{"inputs": "x"')
    assert remember(store, "x", 7) == (7, True)
    assert remember(store, "x", 8) == (7, False)


def test_a_draft_left_by_a_killed_process_is_not_a_record(tmp_path: Path) -> None:
    draft = tmp_path / "a/.draft-xyz"
    draft.mkdir(parents=True)
    (draft / "value.json").write_bytes(b"1")
    assert remember(Store(tmp_path), "x", 5) == (5, True)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="No space left"):
            Store(tmp_path).write("a/task", "x", {"value.json": b"1"})
        with pytest.raises(OSError, match="No space left"):
            write_bytes(tmp_path / "file.bin", b"1")
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_digest_tells_values_types_shapes_and_names_apart() -> None:
    a = np.arange(6.0)
    table = pd.DataFrame({"x": [1.0, 2.0]}, index=["p", "q"])
    different = [
        digest(a),
        digest(a.reshape(2, 3)),
        digest(a.astype(np.float32)),
        digest(a[::-1]),
        digest(a, "x"),
        digest("x", a),
        digest(table),
        digest(table.rename(columns={"x": "y"})),
        digest(table.rename(index={"p": "r"})),
        digest(b"x"),
        digest("x"),
        digest(None),
        digest({"a": 1}),
    ]
    assert len(set(different)) == len(different)
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})


def test_arrays_are_the_same_bytes_and_hold_no_objects() -> None:
    arrays = {"a": np.arange(3), "b": np.ones((2, 2), dtype=np.float32)}
    data = dump_arrays(arrays)
    assert data == dump_arrays(arrays)
    loaded = load_arrays(data)
    assert loaded["b"].dtype == np.float32
    np.testing.assert_array_equal(loaded["a"], arrays["a"])
    with pytest.raises(TypeError, match="arrays of Python objects are not stored: bad"):
        dump_arrays({"bad": np.array([object()])})


def test_json_takes_numpy_and_refuses_nan() -> None:
    assert json.loads(to_json({"a": np.float64(0.5), "b": np.arange(2)})) == {"a": 0.5, "b": [0, 1]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"a": float("nan")})
