"""Records: whole or not at all, found again only for the same inputs."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from validkit.durable import draft_name
from validkit.errors import InputError
from validkit.store import Store, digest, dump_arrays, hold, load_arrays, to_json, write_bytes


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


def dead() -> int:
    """The number of a process that is no more."""
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def named(pid: int, name: str = "") -> str:
    """What a process of this machine calls its unfinished work, or what it sets aside from a place."""
    own = draft_name().split("-")
    own[2] = str(pid)
    return "-".join(own) if not name else "-".join([*own[1:], name])


def test_a_draft_left_by_a_killed_process_is_no_record_and_is_swept(tmp_path: Path) -> None:
    drafts = [tmp_path / "a" / named(dead()), tmp_path / "a" / named(os.getpid()), tmp_path / "a" / ".draft-a-letter"]
    for draft in drafts:
        draft.mkdir(parents=True)
        (draft / "value.json").write_bytes(b"1")
    (tmp_path / named(dead())).write_bytes(b"half a file")
    assert remember(Store(tmp_path), "x", 5) == (5, True)
    assert [draft.exists() for draft in drafts] == [False, True, True], "only those of dead writers are swept"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_draft_of_another_machine_is_swept_when_it_is_a_day_old(tmp_path: Path) -> None:
    old, new = tmp_path / ".draft-00000000-1-0123abcd", tmp_path / ".draft-00000000-1-0123abce"
    for draft in (old, new):
        draft.mkdir()
    os.utime(old, (0, 0))
    Store(tmp_path)
    assert (old.exists(), new.exists()) == (False, True)


@pytest.mark.parametrize("swept", [False, True])
def test_a_record_set_aside_by_a_writer_that_was_killed_is_found(tmp_path: Path, swept: bool) -> None:
    store = Store(tmp_path)
    remember(store, "x", 5)
    (tmp_path / "a/.aside").mkdir()
    (tmp_path / "a/task").rename(tmp_path / "a/.aside" / named(dead(), "task"))
    assert remember(Store(tmp_path) if swept else store, "x", 6) == (5, False)
    assert (tmp_path / "a/task").exists() == swept
    assert store.read("a/ask", "x") is None


def test_what_was_set_aside_goes_where_the_place_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("a/task", "x", {"value.json": b"1"})
    (tmp_path / "a/.aside").mkdir()
    (tmp_path / "a/task").rename(tmp_path / "a/.aside" / named(dead(), "task"))
    store.write("a/task", "y", {"value.json": b"2"})
    assert (store.read("a/task", "x"), store.read("a/task", "y")) == ({"value.json": b"1"}, {"value.json": b"2"})
    Store(tmp_path)
    assert store.read("a/task", "x") is None
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["task"]


def full(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("call", ["replace", "fsync", "mkdir"])
def test_a_full_disk_is_said_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    said = r"' cannot be written \(No space left on device\): free some space there and run again"
    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(InputError, match="a/task" + said):
            Store(tmp_path).write("a/task", "x", {"value.json": b"1"})
        with pytest.raises(InputError, match=r"b/file\.bin" + said):
            write_bytes(tmp_path / "b/file.bin", b"1")
    assert [p for p in tmp_path.rglob("*") if p.name not in ("a", "b")] == []


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_disk_that_fills_while_a_record_is_replaced_keeps_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: int
) -> None:
    store, replace, calls = Store(tmp_path), os.replace, [0]
    store.write("a/task", "x", {"value.json": b"1"})

    def sometimes(source: Path, target: Path) -> None:  # the draft is tried, the old record moved, the draft tried
        calls[0] += 1
        if calls[0] == fails:
            full()
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", sometimes)
        with pytest.raises(InputError, match="No space left on device"):
            store.write("a/task", "y", {"value.json": b"2"})
    assert (store.read("a/task", "x"), store.read("a/task", "y")) == ({"value.json": b"1"}, None)
    assert (tmp_path / "a/task/record.json").is_file()
    assert not list(tmp_path.rglob(".draft-*"))


def test_a_folder_that_cannot_be_written_is_said_with_the_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr(os, "mkdir", refused)
        with pytest.raises(
            InputError, match=r"Read-only file system\): let this user write in .*or give another folder"
        ):
            Store(tmp_path).write("a/task", "x", {"value.json": b"1"})
    (tmp_path / "b").write_text("")
    with pytest.raises(InputError, match=r"b/task' cannot be written"):
        Store(tmp_path).write("b/task", "x", {"value.json": b"1"})


WRITER = """
import sys
from pathlib import Path
from validkit.store import Store
store = Store(Path(sys.argv[1]))
for i in range(60):
    store.write("a/task", "x", {"one": sys.argv[2].encode() * 9000, "two": sys.argv[2].encode()})
"""


def test_writers_of_one_name_leave_one_whole_record(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("a/task", "x", {"one": b"0" * 9000, "two": b"0"})
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), who]) for who in "123"]
    while any(writer.poll() is None for writer in writers):
        files = store.read("a/task", "x")
        assert files is None or files["one"] == files["two"] * 9000
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    files = store.read("a/task", "x")
    assert files is not None
    assert files["two"] in (b"1", b"2", b"3")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["task"]


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", "record.json", "c:x", "a\\b"])
def test_a_record_holds_files_of_its_own_folder_alone(tmp_path: Path, name: str) -> None:
    store = Store(tmp_path)
    with pytest.raises(ValueError, match="needs a plain name"):
        store.write("a/task", "x", {name: b"1"})
    remember(store, "x", 41)
    (tmp_path / "secret").write_bytes(b"1")
    record = {"inputs": "x", "context": "", "files": {"../../secret": hashlib.sha256(b"1").hexdigest()}}
    (tmp_path / "a/task/record.json").write_text(to_json(record))
    assert store.read("a/task", "x") is None


# --- one run a folder ---------------------------------------------------------------------------------------------


def test_a_second_run_into_a_folder_is_refused_by_name(tmp_path: Path) -> None:
    with hold(tmp_path / "run"):
        expected = rf"another run is writing into .*run' \(process {os.getpid()} on .*, since 20.* UTC\): wait until"
        with pytest.raises(InputError, match=expected), hold(tmp_path / "run"):
            pass
        with hold(tmp_path / "other"):
            pass
    with hold(tmp_path / "run"):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_folder_is_let_go_after_an_error_and_drafts_in_it_are_swept(tmp_path: Path) -> None:
    (tmp_path / named(dead())).write_bytes(b"")
    with pytest.raises(RuntimeError, match="stopped"), hold(tmp_path):
        raise RuntimeError("stopped")
    with hold(tmp_path):
        assert {path.name for path in tmp_path.iterdir()} == {".lock", ".lock.holder"}


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
