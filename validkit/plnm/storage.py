"""Fitted estimators as bytes, without pickle: skops' format, held to a closed list of types.

A stored estimator is a zip archive: `schema.json`, which names the type of every part, and arrays. Before anything is
built from it, the archive's size is bounded and every part must be one of the (how, what) pairs in `TRUSTED`;
afterwards what compiled code walks without looking (decision trees, support vectors) is checked to be sound.
XGBoost and LightGBM read their own formats from what they stored.

The bytes depend on the estimator alone: members are numbered in order of appearance and carry no time.
"""

from __future__ import annotations

import io
import json
import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from validkit.errors import InputError, MissingExtraError
from validkit.plnm.soundness import check_sound

Trusted = Mapping[str, frozenset[str]]
"""how a part is built (skops' loader) to what may be built so"""

MAX_BYTES = 512 * 2**20
"""an archive that would unpack to more is refused"""
MAX_RATIO, SMALL = 100, 2**20
"""so is one that would unpack to more than so many times its own size, beyond the first mebibyte"""
MAX_MEMBERS = 100_000
BUILT_IN = frozenset(
    {"builtins.bytearray", "builtins.dict", "builtins.list", "builtins.tuple", "builtins.str", "builtins.int"}
)
"""what skops builds without being told that it may"""

TRUSTED: Trusted = {
    "JsonNode": frozenset({"builtins.str"}),
    "DictNode": frozenset({"builtins.dict"}),
    "DefaultDictNode": frozenset({"collections.defaultdict"}),
    "ListNode": frozenset({"builtins.list"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "BytearrayNode": frozenset({"builtins.bytearray"}),
    "NdArrayNode": frozenset({"numpy.ndarray", "numpy.float64", "numpy.float32", "numpy.int64", "numpy.int32"}),
    "TypeNode": frozenset({"builtins.str", "builtins.int", "collections.OrderedDict", "numpy.int64"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "ObjectNode": frozenset(
        {
            "lightgbm.basic.Booster",
            "lightgbm.sklearn.LGBMClassifier",
            "sklearn.ensemble._forest.ExtraTreesClassifier",
            "sklearn.ensemble._forest.RandomForestClassifier",
            "sklearn.linear_model._logistic.LogisticRegression",
            "sklearn.neighbors._classification.KNeighborsClassifier",
            "sklearn.pipeline.Pipeline",
            "sklearn.preprocessing._data.StandardScaler",
            "sklearn.preprocessing._label.LabelEncoder",
            "sklearn.svm._classes.SVC",
            "sklearn.tree._classes.DecisionTreeClassifier",
            "sklearn.tree._classes.ExtraTreeClassifier",
            "validkit.plnm.fusion.FusionSelector",
            "validkit.plnm.mlp.MLP",
            "validkit.plnm.selection.FeatureSelection",
            "validkit.plnm.selection.LassoSelector",
            "validkit.plnm.selection.MannWhitneyFilter",
            "validkit.plnm.selection.SpearmanFilter",
            "validkit.plnm.svm.PlattSVC",
            "xgboost.core.Booster",
            "xgboost.sklearn.XGBClassifier",
        }
    ),
}


def dump_estimator(estimator: Any, trusted: Trusted = TRUSTED) -> bytes:
    """A fitted estimator as bytes; the same estimator gives the same bytes.

    An estimator with a part that `load_estimator` would refuse is an InputError here already.
    """
    skops_io = _skops()
    try:
        data = skops_io.dumps(estimator)
    except Exception as error:
        raise InputError(f"{type(estimator).__name__} cannot be stored without pickle: {error}") from error
    schema, members = _read(data)
    _refuse_untrusted(schema, trusted)
    return _canonical(schema, members)


def load_estimator(data: bytes, trusted: Trusted = TRUSTED) -> Any:
    """The estimator that `dump_estimator` stored. Anything else in `data` is an InputError, and none of it is run."""
    skops_io = _skops()
    schema, _ = _read(data)
    _refuse_untrusted(schema, trusted)
    try:
        estimator = skops_io.loads(data, trusted=sorted(set().union(*trusted.values()) - BUILT_IN))
    except Exception as error:
        raise InputError(f"the stored estimator is damaged: {type(error).__name__}: {error}") from error
    try:
        check_sound(estimator)
    except (AttributeError, KeyError, IndexError, TypeError) as error:
        raise InputError(f"the stored estimator is damaged: {type(error).__name__}: {error}") from error
    return estimator


def types_in(data: bytes) -> frozenset[str]:
    """The type of every part of a stored estimator, by its import path; nothing is built."""
    schema, _ = _read(data)
    return frozenset(f"{node.get('__module__')}.{node['__class__']}" for node in _nodes(schema) if "__class__" in node)


def _skops() -> Any:
    try:
        import skops.io
    except ImportError as error:
        raise MissingExtraError("skops", "models", "storing fitted classifiers") from error
    return skops.io


# --- the archive -----------------------------------------------------------------------------


def _read(data: bytes) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The schema and the other members, after checking that the archive is of bounded size."""
    if not isinstance(data, bytes | bytearray):
        raise InputError(f"a stored estimator must be bytes; got {type(data).__name__}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            size = sum(entry.file_size for entry in entries)
            most = min(MAX_BYTES, SMALL + MAX_RATIO * len(data))
            if len(entries) > MAX_MEMBERS or size > most:
                raise InputError(
                    f"the stored estimator would unpack to {len(entries)} members and {size} bytes; "
                    f"at most {MAX_MEMBERS} and {most} are read"
                )
            names = [entry.filename for entry in entries]
            if len(set(names)) != len(names):
                raise InputError("the stored estimator holds two members of one name")
            members = {name: archive.read(name) for name in names}
        for name, content in members.items():
            if name.endswith(".npy"):
                _check_array(name, content)
        schema = json.loads(members.pop("schema.json"))
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, KeyError, EOFError) as error:
        raise InputError(f"this is no stored estimator: {type(error).__name__}: {error}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"the stored estimator has no readable schema.json: {error}") from error
    if not isinstance(schema, dict):
        raise InputError("the stored estimator's schema.json holds no object")
    return schema, members


def _check_array(name: str, data: bytes) -> None:
    """An array file holds the numbers that its header claims, so that no more memory is taken than it has bytes."""
    file = io.BytesIO(data)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    claimed = math.prod(shape) * dtype.itemsize
    there = len(data) - file.tell()
    if dtype.hasobject or claimed != there:
        what = "objects" if dtype.hasobject else f"{claimed} bytes and holds {there}"
        raise InputError(f"the stored estimator's {name} claims {what}")


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in the schema, in order of appearance."""
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            yield current
            pending.extend(reversed(list(current.values())))
        elif isinstance(current, list):
            pending.extend(reversed(current))


def _refuse_untrusted(schema: dict[str, Any], trusted: Trusted) -> None:
    unknown = set()
    for node in _nodes(schema):
        if "__loader__" in node or "__class__" in node:
            what = f"{node.get('__module__')}.{node.get('__class__')}"
            how = node.get("__loader__")
            if not isinstance(how, str) or what not in trusted.get(how, ()):
                unknown.add(f"{what} (as {how})")
    if unknown:
        raise InputError(
            f"the stored estimator holds types that validkit does not trust, so it was not loaded: "
            f"{', '.join(sorted(unknown))}"
        )


def _canonical(schema: dict[str, Any], members: dict[str, bytes]) -> bytes:
    """The archive with objects and members numbered in order of appearance, without times."""
    numbers: dict[int, int] = {}
    names: dict[str, str] = {}
    for node in _nodes(schema):
        identity, file = node.get("__id__"), node.get("file")
        if node.get("__loader__") == "JsonNode":
            node.pop("__id__", None)
        elif isinstance(identity, int):
            node["__id__"] = numbers.setdefault(identity, len(numbers) + 1)
        if isinstance(file, str):
            node["file"] = names.setdefault(file, f"{len(names) + 1}.{file.rpartition('.')[2]}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        _write(archive, "schema.json", json.dumps(schema, separators=(",", ":")).encode())
        for old, new in names.items():
            _write(archive, new, _without_padding(members[old]) if new.endswith(".npy") else members[old])
    return buffer.getvalue()


def _without_padding(data: bytes) -> bytes:
    """An array file whose records (the nodes of a decision tree) have zeros between their fields, not stray memory."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()


def _write(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    archive.writestr(entry, data, compresslevel=6)
